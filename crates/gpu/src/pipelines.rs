//! Kernels, compiled in threads when a step first uses them. Drivers that can keep what they compiled do so in a file.
#![expect(unsafe_code, reason = "a driver trusts kernels, and the file that it wrote")]

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{JoinHandle, ScopedJoinHandle};

use wgpu::{
    BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType,
    BufferBindingType, ComputePipeline, ComputePipelineDescriptor, Device, Features, PipelineCache,
    PipelineCacheDescriptor, PipelineCompilationOptions, PipelineLayoutDescriptor,
    ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderSource, ShaderStages,
};

use crate::adapters::IMMEDIATE_BYTES;
use crate::weights::Form;

/// First line of the text of a kernel that computes in f16.
const HALVES: &str = "enable f16;\n";

/// A kernel: its text in WGSL, and the names of the constants that its pipelines differ in.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub name: &'static str,
    pub source: Source,
    pub constants: &'static [&'static str],
}

/// The text of a kernel behind the declarations of its constants, and of the weights if there are any.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    File(&'static str),
    /// A function of the values of the constants.
    Written(fn(&[u32]) -> String),
}

/// A kernel with its constants, and the form of the weights that it reads.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub kernel: &'static Kernel,
    pub form: Option<Form>,
    /// `[kernel.constants]`
    pub constants: Vec<u32>,
}

impl Variant {
    /// A kernel that reads no weights.
    pub(crate) fn new(kernel: &'static Kernel, constants: &[u32]) -> Self {
        Self { kernel, form: None, constants: constants.to_vec() }
    }

    fn key(&self) -> Key {
        Key { kernel: self.kernel.name, form: self.form, constants: self.constants.clone() }
    }

    /// Returns the complete text of the kernel.
    pub(crate) fn text(&self) -> String {
        let Self { kernel, form, constants } = self;
        assert_eq!(kernel.constants.len(), constants.len(), "`{}` has its constants", kernel.name);
        let source = match kernel.source {
            Source::Written(write) => return write(constants),
            Source::File(source) => source,
        };
        let mut text = String::new();
        // A text begins with what it enables.
        let source = source.strip_prefix(HALVES).inspect(|_| text += HALVES).unwrap_or(source);
        for (name, value) in kernel.constants.iter().zip(constants) {
            writeln!(text, "const {name}: u32 = {value}u;").expect("a string takes all text");
        }
        if let Some(form) = form {
            text += &form.source();
        }
        text + source
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    kernel: &'static str,
    form: Option<Form>,
    constants: Vec<u32>,
}

/// A compiled kernel.
pub(crate) struct Pipeline {
    pub pipeline: ComputePipeline,
    pub layout: BindGroupLayout,
}

/// All kernels that were used.
pub(crate) struct Pipelines {
    device: Device,
    known: HashMap<Key, usize>,
    /// `None` until the kernel is compiled.
    all: Vec<Option<Pipeline>>,
    names: Vec<&'static str>,
    missing: Vec<(usize, Variant)>,
    kept: Option<Kept>,
}

/// Compiled kernels as the driver keeps them, and the file that they are in.
struct Kept {
    cache: PipelineCache,
    file: PathBuf,
    /// The thread that writes the file.
    writer: Option<JoinHandle<()>>,
}

impl Kept {
    fn open(device: &Device, file: PathBuf) -> Self {
        let data = std::fs::read(&file).ok();
        let descriptor =
            PipelineCacheDescriptor { label: None, data: data.as_deref(), fallback: true };
        // SAFETY: only `save` writes the file, with what the driver returned, and as a whole. Files of other
        // drivers and versions have other names, and wgpu compares their headers.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Self { cache, file, writer: None }
    }

    /// Begins to replace the file, in a thread of its own. Failing to do so costs only time.
    fn save(&mut self) {
        self.finish();
        let (cache, file) = (self.cache.clone(), self.file.clone());
        let write = move || {
            let Some(data) = cache.get_data() else { return };
            let folder = file.parent().unwrap_or(Path::new("."));
            let written = std::fs::create_dir_all(folder)
                .and_then(|()| tempfile::NamedTempFile::new_in(folder))
                .and_then(|made| std::fs::write(made.path(), data).map(|()| made));
            if let Ok(made) = written {
                let _ = made.persist(&file);
            }
        };
        let thread = std::thread::Builder::new().name("mlxk-kernels".to_owned());
        self.writer = thread.spawn(write).ok();
    }

    /// Waits until the file is written.
    fn finish(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Pipelines {
    /// `file` keeps compiled kernels from one process to the next.
    pub(crate) fn new(device: Device, file: Option<PathBuf>) -> Self {
        let keeps = device.features().contains(Features::PIPELINE_CACHE);
        let kept = file.filter(|_| keeps).map(|file| Kept::open(&device, file));
        Self { device, known: HashMap::new(), all: vec![], names: vec![], missing: vec![], kept }
    }

    /// Returns the index of a kernel, which may still have to be compiled.
    pub(crate) fn index(&mut self, variant: &Variant) -> usize {
        let key = variant.key();
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let index = self.all.len();
        self.all.push(None);
        self.names.push(variant.kernel.name);
        self.missing.push((index, variant.clone()));
        self.known.insert(key, index);
        index
    }

    /// Returns the name of a kernel.
    pub(crate) fn name(&self, index: usize) -> &'static str {
        self.names[index]
    }

    /// Compiles all kernels that were asked for, side by side. Failures are reported by the device.
    pub(crate) fn compile(&mut self) {
        if self.missing.is_empty() {
            return;
        }
        let cache = self.kept.as_ref().map(|kept| &kept.cache);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = workers.min(self.missing.len());
        let (device, missing) = (&self.device, Mutex::new(std::mem::take(&mut self.missing)));
        let next = || missing.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let work = || {
            let mut done = Vec::new();
            while let Some((index, variant)) = next() {
                done.push((index, compile(device, &variant, cache)));
            }
            done
        };
        let done: Vec<Vec<(usize, Pipeline)>> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
            let own = work();
            let join = |it: ScopedJoinHandle<'_, _>| {
                it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            others.into_iter().map(join).chain([own]).collect()
        });
        for (index, pipeline) in done.into_iter().flatten() {
            self.all[index] = Some(pipeline);
        }
        // At once, because a process may be killed.
        if let Some(kept) = &mut self.kept {
            kept.save();
        }
    }

    /// Returns a kernel.
    ///
    /// # Panics
    /// Panics if it is not compiled yet.
    pub(crate) fn get(&self, index: usize) -> &Pipeline {
        self.all[index].as_ref().expect("a step compiles its kernels before it runs them")
    }
}

fn compile(device: &Device, variant: &Variant, cache: Option<&PipelineCache>) -> Pipeline {
    let text = variant.text();
    let label = Some(variant.kernel.name);
    let entries: Vec<BindGroupLayoutEntry> = bindings(&text)
        .enumerate()
        .map(|(index, read_only)| BindGroupLayoutEntry {
            binding: index as u32,
            visibility: ShaderStages::COMPUTE,
            ty: BindingType::Buffer {
                ty: BufferBindingType::Storage { read_only },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let layout =
        device.create_bind_group_layout(&BindGroupLayoutDescriptor { label, entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: IMMEDIATE_BYTES,
    });
    let descriptor = ShaderModuleDescriptor { label, source: ShaderSource::Wgsl(text.into()) };
    // SAFETY: every kernel is ours. It reads and writes only what its dispatch has sized for it, its loops end, and
    // it divides by sizes that are not zero.
    let module = unsafe {
        device.create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked())
    };
    let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
        label,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        // Kernels write everything that they read.
        compilation_options: PipelineCompilationOptions {
            zero_initialize_workgroup_memory: false,
            ..PipelineCompilationOptions::default()
        },
        cache,
    });
    Pipeline { pipeline, layout }
}

/// Returns for each buffer of a kernel, in order, `true` if it only reads it.
fn bindings(text: &str) -> impl Iterator<Item = bool> {
    let lines = text.lines().filter(|line| line.starts_with("@group(0) @binding("));
    lines.map(|line| !line.contains("read_write"))
}
