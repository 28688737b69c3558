//! A device made of two, for models that are larger than the memory of a GPU: the first layers are on the processor,
//! the others on the GPU. A model doesn't notice it.
//!
//! An operation with weights or a cache runs where they are, and any other where the last one of these ran. An
//! activation is copied when an operation needs it on the other device, which happens between layers.

mod cache;
mod compute;
mod layers;

use mlxk_ops::{
    Act, Batch, HadamardSpec, Ops, OpsError, Result, Rope, RopeSpec, Routes, Sequence, Vector,
    Weight, Weights,
};
use mlxk_tensor::QuantTensor;

pub(crate) use layers::layer_of;

/// Index of the GPU among the devices. It has everything that belongs to no layer, such as the output matrix.
const GPU: usize = 0;
/// Index of the processor.
const CPU: usize = 1;

/// An activation on both devices.
#[derive(Clone, Copy)]
struct Copies {
    acts: [Act; 2],
    /// `true` for a device that has the current values.
    valid: [bool; 2],
}

/// Two devices.
pub struct Split {
    devices: [Box<dyn Ops>; 2],
    /// Number of layers on the processor.
    cpu_layers: usize,
    /// Device of each layer of the cache.
    owners: Vec<usize>,
    weights: Vec<(usize, Weight)>,
    /// Sequences on both devices. `None` if they were freed.
    sequences: Vec<Option<[Sequence; 2]>>,
    /// Activations of the step.
    copies: Vec<Copies>,
    routes: Vec<(usize, Routes)>,
    /// The batch of the step, with the sequences of each device.
    batches: [Batch; 2],
    /// Device of the last operation that had to be there.
    current: usize,
    /// First failure of a copy, reported when results are read.
    failure: Option<OpsError>,
}

impl Split {
    /// Splits a model that isn't loaded yet: its first `cpu_layers` layers are on the processor.
    pub fn new(gpu: Box<dyn Ops>, cpu: Box<dyn Ops>, cpu_layers: usize) -> Self {
        Self {
            devices: [gpu, cpu],
            cpu_layers,
            owners: vec![],
            weights: vec![],
            sequences: vec![],
            copies: vec![],
            routes: vec![],
            batches: [Batch::default(), Batch::default()],
            current: GPU,
            failure: None,
        }
    }

    /// Returns the device of a tensor.
    fn device_of_tensor(&self, name: &str) -> usize {
        layer_of(name).map_or(GPU, |layer| self.device_of(layer))
    }

    /// Returns the device of a layer.
    fn device_of(&self, layer: usize) -> usize {
        if layer < self.cpu_layers { CPU } else { GPU }
    }
}

impl Weights for Split {
    fn load(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight> {
        let device = self.device_of_tensor(&tensor.name);
        let weight = self.devices[device].load(tensor, bias)?;
        self.weights.push((device, weight));
        Ok(Weight(self.weights.len() as u32 - 1))
    }

    fn load_rotated(&mut self, tensor: QuantTensor, rotation: HadamardSpec) -> Result<Weight> {
        let device = self.device_of_tensor(&tensor.name);
        let weight = self.devices[device].load_rotated(tensor, rotation)?;
        self.weights.push((device, weight));
        Ok(Weight(self.weights.len() as u32 - 1))
    }

    fn load_vector(&mut self, values: Vec<f32>) -> Result<Vector> {
        // They are small, so both devices have all of them, under the same number.
        let [gpu, cpu] = &mut self.devices;
        let vector = gpu.load_vector(values.clone())?;
        assert_eq!(vector, cpu.load_vector(values)?, "devices number vectors alike");
        Ok(vector)
    }

    fn load_rope(&mut self, spec: RopeSpec) -> Result<Rope> {
        let [gpu, cpu] = &mut self.devices;
        let rope = gpu.load_rope(spec.clone())?;
        assert_eq!(rope, cpu.load_rope(spec)?, "devices number ropes alike");
        Ok(rope)
    }

    fn migrate_weights(&mut self, room: u64) -> bool {
        self.devices[CPU].migrate_weights(room)
    }
}
