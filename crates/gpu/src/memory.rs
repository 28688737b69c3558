//! The memory of an adapter, which wgpu does not state.

use wgpu::{Adapter, DeviceType};

/// Returns the bytes that the adapter offers: those of a card, or what is available of the memory that it shares
/// with the processor. `None` if the driver doesn't say.
pub(crate) fn bytes(adapter: &Adapter) -> Option<u64> {
    match adapter.get_info().device_type {
        DeviceType::DiscreteGpu | DeviceType::VirtualGpu => card_bytes(adapter),
        DeviceType::IntegratedGpu | DeviceType::Cpu => mlxk_memory::available_bytes(),
        DeviceType::Other => None,
    }
}

#[cfg(any(target_os = "linux", target_os = "windows"))]
#[expect(unsafe_code, reason = "only the driver's own interface states it")]
fn card_bytes(adapter: &Adapter) -> Option<u64> {
    /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: nothing is destroyed through the handle.
    let inner = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let (device, instance) = (inner.raw_physical_device(), inner.shared_instance().raw_instance());
    // SAFETY: the adapter keeps its instance and its physical device alive.
    let memory = unsafe { instance.get_physical_device_memory_properties(device) };
    let heaps = memory.memory_heaps.iter().take(memory.memory_heap_count as usize);
    let local = heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0);
    local.map(|heap| heap.size).max()
}

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
fn card_bytes(_: &Adapter) -> Option<u64> {
    None
}
