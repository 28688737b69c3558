//! The adapters of this machine, and what they can do.

use std::sync::OnceLock;

use wgpu::{
    Adapter, Backends, CooperativeScalarType, DeviceType, DownlevelFlags, Features, Instance,
    InstanceDescriptor,
};

use crate::error::GpuError;
use crate::memory;

/// An adapter: a GPU by one of its drivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Name that the driver states.
    pub name: String,
    /// Kind of the adapter.
    pub kind: AdapterKind,
    /// Interface of the driver: Vulkan, Metal or DX12.
    pub interface: &'static str,
    /// Name and version of the driver.
    pub driver: String,
    /// `true` if kernels can compute in 16-bit floats.
    pub half_floats: bool,
    /// Least and greatest width of a subgroup, or `None` if kernels can't use them.
    pub subgroups: Option<[u32; 2]>,
    /// Edges of the square tiles of f16 that it multiplies with f32 sums.
    pub matrix_tiles: Vec<u32>,
    /// `true` if it measures the time of kernels.
    pub timestamps: bool,
    /// Bytes of a card's own memory, or those that are available of the processor's. `None` if the driver
    /// doesn't say.
    pub memory_bytes: Option<u64>,
    /// Limits of the driver.
    pub limits: Limits,
}

impl AdapterInfo {
    /// Returns the name of a file about the adapter, which another driver doesn't share.
    pub(crate) fn file_name(&self, kind: &str) -> String {
        let words = format!("{} {} {}", self.interface, self.name, self.driver);
        let plain = |it: char| if it.is_ascii_alphanumeric() || it == '.' { it } else { '-' };
        words.chars().map(plain).collect::<String>() + "." + kind
    }
}

/// Kind of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterKind {
    /// A card with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU of the host of a virtual machine.
    Virtual,
    /// A program that runs on the processor.
    Software,
    /// Any other.
    Other,
}

/// Limits of a driver. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of a buffer.
    pub buffer: u64,
    /// Size of the part of a buffer that a kernel sees.
    pub binding: u64,
    /// Memory that the threads of a workgroup share.
    pub workgroup: u32,
    /// Number of buffers that a kernel sees.
    pub buffers: u32,
}

/// Features that every kernel needs.
pub(crate) const REQUIRED: Features = Features::IMMEDIATES;
/// Reading and writing of 16-bit floats in words, which needs no 16-bit arithmetic.
const HALVES: DownlevelFlags = DownlevelFlags::SHADER_F16_IN_F32;
/// Features that are used if they are there.
pub(crate) const WELCOME: Features = Features::PIPELINE_CACHE.union(Features::TIMESTAMP_QUERY);
/// Features of kernels that use matrix units.
pub(crate) const MATRICES: Features =
    Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(Features::SHADER_F16).union(Features::SUBGROUP);
/// Edge of the matrices, and threads of a subgroup, that the kernels are written for.
const MATRIX_EDGE: u32 = 16;
const MATRIX_SUBGROUP: u32 = 32;
/// Size of the parameters that a kernel gets with its dispatch.
pub(crate) const IMMEDIATE_BYTES: u32 = 128;
/// Number of buffers that a kernel sees.
const BUFFERS: u32 = 8;
/// Number of threads of a workgroup.
const THREADS: u32 = 256;
/// Memory of a workgroup.
const WORKGROUP_BYTES: u32 = 16 << 10;

/// Returns the adapters of this machine, those that are fastest as a rule first.
pub fn adapters() -> Vec<AdapterInfo> {
    all().iter().map(describe).collect()
}

/// Returns the adapter that is used if none is named: the first one that isn't software.
pub fn first_card() -> Option<AdapterInfo> {
    choose(None).ok().as_ref().map(describe)
}

/// Interfaces of drivers that are used.
const BACKENDS: Backends = Backends::VULKAN.union(Backends::METAL).union(Backends::DX12);

/// Returns the drivers. They stay in memory until the process ends: a thread that has used NVIDIA's driver runs code of
/// it when the thread ends, which crashes if the driver was unloaded before.
fn instance() -> &'static Instance {
    static INSTANCE: OnceLock<Instance> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        let backends = BACKENDS;
        let rest = InstanceDescriptor::new_without_display_handle();
        Instance::new(InstanceDescriptor { backends, ..rest })
    })
}

/// Returns the adapters, ordered like [`adapters`].
fn all() -> Vec<Adapter> {
    let mut all = pollster::block_on(instance().enumerate_adapters(BACKENDS));
    all.sort_by_key(|adapter| rank(kind(adapter)));
    all
}

fn rank(kind: AdapterKind) -> u8 {
    match kind {
        AdapterKind::Discrete => 0,
        AdapterKind::Integrated => 1,
        AdapterKind::Virtual => 2,
        AdapterKind::Other => 3,
        AdapterKind::Software => 4,
    }
}

fn kind(adapter: &Adapter) -> AdapterKind {
    match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => AdapterKind::Discrete,
        DeviceType::IntegratedGpu => AdapterKind::Integrated,
        DeviceType::VirtualGpu => AdapterKind::Virtual,
        DeviceType::Cpu => AdapterKind::Software,
        DeviceType::Other => AdapterKind::Other,
    }
}

/// Chooses an adapter: the first one whose name contains `wanted` in any case, or that has this number. If
/// `wanted` is `None`, the first one that is not software.
pub(crate) fn choose(wanted: Option<&str>) -> Result<Adapter, GpuError> {
    let all = all();
    let Some(wanted) = wanted else {
        let found = all.into_iter().find(|adapter| kind(adapter) != AdapterKind::Software);
        return found.ok_or(GpuError::NoGpu);
    };
    let matches = |index: usize, adapter: &Adapter| match wanted.parse() {
        Ok(number) => index == number,
        Err(_) => adapter.get_info().name.to_lowercase().contains(&wanted.to_lowercase()),
    };
    let names = || all.iter().map(|adapter| adapter.get_info().name).collect();
    let found = all.iter().enumerate().find(|(index, adapter)| matches(*index, adapter));
    match found {
        Some((_, adapter)) => Ok(adapter.clone()),
        None => Err(GpuError::NoSuchGpu { wanted: wanted.to_owned(), known: names() }),
    }
}

/// Refuses an adapter that the kernels can't run on. A driver may hang instead of refusing.
pub(crate) fn check(adapter: &Adapter) -> Result<(), GpuError> {
    let limits = adapter.limits();
    let missing =
        if !adapter.features().contains(REQUIRED) || limits.max_immediate_size < IMMEDIATE_BYTES {
            "parameters of dispatches (push constants)"
        } else if !adapter.get_downlevel_capabilities().flags.contains(HALVES) {
            "conversion of 16-bit floats"
        } else if limits.max_storage_buffers_per_shader_stage < BUFFERS {
            "buffers"
        } else if limits.max_compute_invocations_per_workgroup < THREADS
            || limits.max_compute_workgroup_size_x < THREADS
        {
            "threads in a workgroup"
        } else if limits.max_compute_workgroup_storage_size < WORKGROUP_BYTES {
            "memory of a workgroup"
        } else {
            return Ok(());
        };
    Err(GpuError::Lacks { name: adapter.get_info().name, missing })
}

/// Returns `true` if the kernels that use matrix units run on the adapter.
pub(crate) fn has_matrices(adapter: &Adapter, info: &AdapterInfo) -> bool {
    adapter.features().contains(MATRICES)
        && info.matrix_tiles.contains(&MATRIX_EDGE)
        && info.subgroups == Some([MATRIX_SUBGROUP; 2])
        && adapter.limits().max_storage_buffers_per_shader_stage >= BUFFERS
}

/// Describes an adapter.
pub(crate) fn describe(adapter: &Adapter) -> AdapterInfo {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let driver = format!("{} {}", info.driver, info.driver_info).trim().to_owned();
    let tiles = adapter.cooperative_matrix_properties();
    let is_usable = |it: &&wgpu::CooperativeMatrixProperties| {
        let types = (it.ab_type, it.cr_type);
        types == (CooperativeScalarType::F16, CooperativeScalarType::F32)
            && it.m_size == it.n_size
            && it.n_size == it.k_size
    };
    let subgroups = features.contains(Features::SUBGROUP);
    AdapterInfo {
        name: info.name,
        kind: kind(adapter),
        interface: match info.backend {
            wgpu::Backend::Metal => "Metal",
            wgpu::Backend::Dx12 => "DX12",
            _ => "Vulkan",
        },
        driver,
        half_floats: features.contains(Features::SHADER_F16),
        subgroups: subgroups.then_some([info.subgroup_min_size, info.subgroup_max_size]),
        matrix_tiles: tiles.iter().filter(is_usable).map(|it| it.m_size).collect(),
        timestamps: features.contains(Features::TIMESTAMP_QUERY),
        memory_bytes: memory::bytes(adapter),
        limits: Limits {
            buffer: limits.max_buffer_size,
            binding: limits.max_storage_buffer_binding_size,
            workgroup: limits.max_compute_workgroup_storage_size,
            buffers: limits.max_storage_buffers_per_shader_stage,
        },
    }
}
