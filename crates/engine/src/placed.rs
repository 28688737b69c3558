//! A model on its device, before anything runs.

use mlxk_format::Checkpoint;
use mlxk_models::{Model, Progress, Shape};
use mlxk_ops::Ops;

use crate::device::Device;
use crate::error::EngineError;
use crate::load_options::LoadOptions;
use crate::plan::MemoryPlan;
use crate::split::Split;

/// A model whose weights are on a device.
pub(crate) struct Placed {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) shape: Shape,
    pub(crate) plan: MemoryPlan,
    pub(crate) ops: Box<dyn Ops>,
    pub(crate) model: Box<dyn Model>,
    /// Name of the device.
    pub(crate) name: String,
    /// `true` if it is a GPU.
    pub(crate) is_gpu: bool,
}

impl Placed {
    /// Loads the weights of a checkpoint onto a device, and the layers that it has no room for onto the processor.
    pub(crate) fn load(
        device: Device,
        options: &LoadOptions,
        progress: &mut Progress<'_>,
    ) -> Result<Self, EngineError> {
        let Device { mut ops, mut name, budget, is_gpu } = device;
        let checkpoint = Checkpoint::open(&options.path)?;
        let shape = mlxk_models::shape(&checkpoint)?;
        let plan = MemoryPlan::of(options, &budget, &checkpoint, &shape)?;
        if options.draft_model.is_some() && shape.cache.has_states() {
            return Err(EngineError::NoDrafts);
        }
        if plan.cpu_layers > 0 {
            let processor = Box::new(options.device.open_processor()?);
            ops = Box::new(Split::new(ops, processor, plan.cpu_layers));
            name = format!(
                "{name} · {} of {} layers on the CPU",
                plan.cpu_layers,
                shape.cache.layers.len()
            );
        }
        checkpoint.will_need();
        let mut quietly = |done, total| progress(done, total);
        let model = mlxk_models::load(&checkpoint, &mut *ops, &mut quietly)?;
        Ok(Self { checkpoint, shape, plan, ops, model, name, is_gpu })
    }
}
