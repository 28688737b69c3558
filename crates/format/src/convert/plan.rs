//! The plan of a conversion, made from headers alone.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::input::{Input, Share, ShareRows};
use super::recipe::Layers;
use super::work::{self, Job};
use super::{
    Arithmetic, Change, ModuleRule, Naming, Options, Placement, Progress, config, pattern,
};
use crate::safetensors::{Entry, TensorSpec, Writer, file_bytes};
use crate::writer::write_json;
use mlxk_tensor::{Dtype, Mode};

use crate::{Checkpoint, ElementType, FormatError};

const METADATA: &[(&str, &str)] = &[("format", "mlx")];

/// A conversion that was checked to be possible.
#[derive(Debug)]
pub struct Conversion {
    outputs: Vec<Output>,
    /// Number of outputs in each file.
    shards: Vec<usize>,
    config: Value,
    parameters: u64,
    total_bytes: u64,
    modes: Vec<(String, Mode)>,
    unmatched: Vec<String>,
    other_modalities: usize,
    left_out: usize,
}

/// One tensor, or all tensors of a quantized module.
#[derive(Debug)]
struct Output {
    specs: Vec<TensorSpec>,
    input: Input,
    job: Job,
}

impl Output {
    fn bytes(&self) -> u64 {
        self.specs.iter().filter_map(TensorSpec::size_bytes).sum()
    }
}

/// The tensors to write, by their new names, with their sources.
type Placed = BTreeMap<String, Vec<Source>>;

/// A tensor of the source, or a share of its rows.
#[derive(Debug)]
struct Source {
    name: String,
    share: Option<SourceShare>,
}

/// A share of the rows of a tensor.
#[derive(Clone, Copy, Debug)]
struct SourceShare {
    rows: ShareRows,
    index: usize,
    of: usize,
}

impl SourceShare {
    /// Returns the share of a tensor of this shape, and takes the others away from the shape. Returns `None` if the
    /// rows cannot be divided.
    fn of(self, shape: &mut [usize], bytes: usize) -> Option<Share> {
        let Self { rows, index, of } = self;
        let axis = rows.axis(shape.len());
        let all_rows = *shape.get(axis).filter(|rows| rows.is_multiple_of(of))?;
        let all: usize = shape[..=axis].iter().product();
        if shape.contains(&0) || (rows == ShareRows::Turned && shape.len() != 2) {
            return None;
        }
        let count = all_rows / of;
        shape[axis] = count;
        if rows == ShareRows::Turned {
            shape.reverse();
        }
        Some(Share { rows, index, of, count, row_bytes: bytes / all })
    }
}

/// Ending of packed weights in gpt-oss as it is published. They are `[experts, rows, groups, 16]`
/// bytes, which is MLX's `mxfp4` in another shape.
const BLOCKS: &str = "_blocks";
const BLOCK_BYTES: usize = 16;

impl Conversion {
    /// Decides about every tensor.
    pub fn plan(
        checkpoint: &Checkpoint,
        naming: &dyn Naming,
        options: &Options,
    ) -> Result<Self, FormatError> {
        let placed = place(checkpoint, naming, options)?;
        let others = |names: &mut dyn Iterator<Item = &str>| {
            names.filter(|name| naming.is_other_modality(name)).count()
        };
        let other_modalities = others(&mut placed.keys().map(String::as_str));
        let left_out = others(&mut checkpoint.names()) - other_modalities;
        let in_blocks = placed.values().flatten().any(|source| source.name.ends_with(BLOCKS));
        if in_blocks && options.change != Change::Keep {
            return Err(refused(
                checkpoint,
                "its experts are packed in a form not of MLX; convert it without another change \
                 first, and then the result",
            ));
        }
        let cast = match options.dtype {
            Some(dtype) => Some(dtype),
            None => config::dtype(checkpoint.config()),
        };
        let modules = placed.keys().filter_map(|name| name.strip_suffix(".weight"));
        let layers = Layers::of(modules);
        if let (Change::Quantize(quantization), None) = (&options.change, layers)
            && quantization.recipe.is_some()
        {
            return Err(refused(checkpoint, "a recipe needs modules that are called `down_proj`"));
        }
        let planner = Planner {
            checkpoint,
            naming,
            options,
            cast,
            layers: layers.unwrap_or_default(),
            placed: &placed,
        };
        let mut this = Self {
            outputs: Vec::new(),
            shards: Vec::new(),
            config: Value::Null,
            parameters: 0,
            total_bytes: 0,
            modes: Vec::new(),
            unmatched: planner.unmatched(),
            other_modalities,
            left_out,
        };
        let mut named = Vec::new();
        for name in placed.keys() {
            let Some(decided) = planner.decide(name)? else { continue };
            this.parameters += planner.parameters(name, &decided.output);
            this.total_bytes += decided.output.bytes();
            if let Some((mode, is_named)) = decided.mode {
                let module = name.trim_end_matches(".weight").to_owned();
                if is_named {
                    named.push((module.clone(), mode));
                }
                this.modes.push((module, mode));
            }
            this.outputs.push(decided.output);
        }
        this.shards = shards(&this.outputs, options.max_shard_bytes);
        this.config = config::converted(checkpoint.config(), options, &named, other_modalities > 0);
        Ok(this)
    }

    /// Returns the size of the converted weights in bytes.
    pub fn output_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Returns the number of trained parameters.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Returns the number of tensors for images and sound, which are kept unchanged.
    pub fn other_modalities(&self) -> usize {
        self.other_modalities
    }

    /// Returns the number of tensors for images and sound that are left out.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Returns the modules that will be quantized, with their modes.
    pub fn modes(&self) -> &[(String, Mode)] {
        &self.modes
    }

    /// Returns the patterns of single modules that match no matrix of the model.
    pub fn unmatched(&self) -> &[String] {
        &self.unmatched
    }

    /// Writes weights, index and `config.json` into an existing, empty folder. After an error, the
    /// caller has to remove what was written.
    pub fn write(&self, folder: &Path, progress: &mut Progress<'_>) -> Result<(), FormatError> {
        let mut done = 0;
        let total = self.total_bytes;
        let mut report = |bytes: usize| {
            done += bytes as u64;
            match progress(done, total) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(FormatError::Cancelled),
            }
        };
        let mut weight_map = Map::new();
        let mut outputs = self.outputs.iter();
        for (number, &count) in self.shards.iter().enumerate() {
            let name = match self.shards.len() {
                1 => "model.safetensors".to_owned(),
                all => format!("model-{:05}-of-{all:05}.safetensors", number + 1),
            };
            let outputs: Vec<&Output> = outputs.by_ref().take(count).collect();
            let specs: Vec<TensorSpec> =
                outputs.iter().flat_map(|output| output.specs.iter().cloned()).collect();
            let mut file = Writer::create(&folder.join(&name), &specs, METADATA)?;
            for output in outputs {
                work::run(&output.input, output.job, &mut file, &mut report)?;
            }
            file.finish()?;
            weight_map.extend(specs.into_iter().map(|spec| (spec.name, json!(name))));
        }
        weight_map.sort_keys();
        let index = json!({
            "metadata": {"total_size": self.total_bytes, "total_parameters": self.parameters},
            "weight_map": weight_map,
        });
        write_json(&folder.join("model.safetensors.index.json"), &index)?;
        write_json(&folder.join("config.json"), &self.config)
    }
}

/// Splits the outputs into files that don't exceed the limit. An output larger than the limit gets
/// its own file. Returns the number of outputs in each file.
fn shards(outputs: &[Output], limit: u64) -> Vec<usize> {
    let mut shards: Vec<usize> = Vec::new();
    let mut size = 0;
    for output in outputs {
        let bytes = output.bytes();
        match shards.last_mut() {
            Some(count) if size + bytes <= limit => *count += 1,
            _ => {
                shards.push(1);
                size = 0;
            }
        }
        size += bytes;
    }
    shards
}

fn refused(checkpoint: &Checkpoint, problem: &str) -> FormatError {
    FormatError::NotConvertible { path: checkpoint.path().to_owned(), problem: problem.to_owned() }
}

/// Groups the tensors of the source by their destination.
fn place(
    checkpoint: &Checkpoint,
    naming: &dyn Naming,
    options: &Options,
) -> Result<Placed, FormatError> {
    let mut stacks: BTreeMap<String, BTreeMap<usize, Source>> = BTreeMap::new();
    for name in checkpoint.names() {
        let placement = match naming.is_other_modality(name) {
            true if options.text_only => continue,
            true if !checkpoint.is_mlx() => {
                return Err(refused(
                    checkpoint,
                    "its parts for images or sound are not in MLX's form; pass `--text-only` to \
                     leave them out",
                ));
            }
            true => Placement::As(name.to_owned()),
            false => naming.place(name),
        };
        let is_known = name.ends_with(BLOCKS)
            && match &placement {
                Placement::As(target) => target.ends_with(".weight"),
                Placement::ByTurns(targets) | Placement::Halves(targets) => {
                    targets.iter().all(|target| target.ends_with(".weight"))
                }
                _ => false,
            };
        if let Some(foreign) = ["_scale_inv", BLOCKS, ".weight_packed", ".qweight", ".weight_scale"]
            .iter()
            .find(|end| name.ends_with(**end) && !is_known)
        {
            let problem = format!("tensor `{name}` (`{foreign}`) is of a quantization not of MLX");
            return Err(refused(checkpoint, &problem));
        }
        let targets = match placement {
            Placement::Drop => continue,
            Placement::As(target) => vec![(target, 0, None)],
            Placement::Stacked(target, index) => vec![(target, index, None)],
            Placement::ByTurns(targets) => shares(targets.into(), ShareRows::ByTurns),
            Placement::Halves(targets) => shares(targets.into(), ShareRows::Consecutive),
            Placement::Shares(targets) => shares(targets, ShareRows::Consecutive),
            Placement::TurnedShares(targets) => shares(targets, ShareRows::Turned),
        };
        for (target, index, share) in targets {
            let source = Source { name: name.to_owned(), share };
            if stacks.entry(target.clone()).or_default().insert(index, source).is_some() {
                let problem = format!("two tensors would both become `{target}`");
                return Err(refused(checkpoint, &problem));
            }
        }
    }
    let mut placed = Placed::new();
    for (target, parts) in stacks {
        if parts.keys().enumerate().any(|(expected, &found)| expected != found) {
            let problem = format!("parts of the stack `{target}` are missing");
            return Err(refused(checkpoint, &problem));
        }
        placed.insert(target, parts.into_values().collect());
    }
    Ok(placed)
}

/// Returns the shares of a tensor that become `targets`.
fn shares(targets: Vec<String>, rows: ShareRows) -> Vec<(String, usize, Option<SourceShare>)> {
    let of = targets.len();
    let share = |(index, target)| (target, 0, Some(SourceShare { rows, index, of }));
    targets.into_iter().enumerate().map(share).collect()
}

struct Planner<'a> {
    checkpoint: &'a Checkpoint,
    naming: &'a dyn Naming,
    options: &'a Options,
    cast: Option<Dtype>,
    layers: Layers,
    placed: &'a Placed,
}

struct Decided {
    output: Output,
    /// The mode of a module that will be quantized, and `true` if `config.json` has to name it.
    mode: Option<(Mode, bool)>,
}

impl Planner<'_> {
    /// Decides about one tensor. Returns `None` for scales and biases, which go with their weight.
    fn decide(&self, name: &str) -> Result<Option<Decided>, FormatError> {
        let module = name.rsplit_once('.').map_or("", |(module, _)| module);
        let quantized = self.is_quantized(module);
        let part = name.rsplit('.').next().unwrap_or_default();
        let sources = &self.placed[name];
        if quantized && self.options.change != Change::Keep {
            return match part {
                "scales" | "biases" | "global_scale" => Ok(None),
                "weight" => self.quantized(name, module, sources).map(Some),
                _ => self.dense(name, sources, false).map(Some),
            };
        }
        let is_matrix = part == "weight" && !quantized;
        self.dense(name, sources, is_matrix).map(Some)
    }

    /// Returns the number of trained parameters in an output. Packed words hold several each, and scales and
    /// biases of a quantized module hold none.
    fn parameters(&self, name: &str, output: &Output) -> u64 {
        let values = (output.input.rows() * output.input.cols()) as u64;
        let (module, part) = name.rsplit_once('.').unwrap_or(("", name));
        if self.options.change != Change::Keep || !self.is_quantized(module) {
            return values;
        }
        match part {
            "scales" | "biases" | "global_scale" => 0,
            "weight" => {
                let source = &self.placed[name][0].name;
                let module = source.strip_suffix(".weight").unwrap_or(source);
                let bits = match self.checkpoint.mode(module) {
                    _ if source.ends_with(BLOCKS) => 4,
                    Ok(mode) => mode.bits() as u64,
                    Err(_) => return values,
                };
                // A value of the input is a word of 32 bits here.
                values * 32 / bits
            }
            _ => values,
        }
    }

    /// Returns the patterns that match no matrix.
    fn unmatched(&self) -> Vec<String> {
        let Change::Quantize(quantization) = &self.options.change else { return Vec::new() };
        let is_matrix = |module: &str, sources: &[Source]| {
            let is_flat = |source: &Source| {
                self.checkpoint.entry(&source.name).is_ok_and(|entry| entry.shape.len() < 2)
            };
            self.naming.module(module) != ModuleRule::Never && !sources.iter().any(is_flat)
        };
        let modules: Vec<&str> = self
            .placed
            .iter()
            .filter_map(|(name, sources)| Some((name.strip_suffix(".weight")?, sources)))
            .filter(|(module, sources)| is_matrix(module, sources))
            .map(|(module, _)| module)
            .collect();
        let patterns = quantization.modules.iter().map(|wish| &wish.pattern);
        patterns
            .filter(|wish| !modules.iter().any(|module| pattern::fits(wish, module)))
            .cloned()
            .collect()
    }

    fn is_quantized(&self, module: &str) -> bool {
        self.placed.contains_key(&format!("{module}.scales"))
            && self.placed.contains_key(&format!("{module}.weight"))
    }

    /// Handles a tensor that doesn't belong to a quantized module, or that stays unchanged.
    fn dense(
        &self,
        name: &str,
        sources: &[Source],
        is_matrix: bool,
    ) -> Result<Decided, FormatError> {
        let entries: Vec<Entry> = sources
            .iter()
            .map(|source| self.checkpoint.entry(&source.name).cloned())
            .collect::<Result<_, _>>()?;
        let Some(first) = entries.first() else {
            return Err(refused(self.checkpoint, &format!("`{name}` has no parts")));
        };
        let (mut element, mut shape) = (first.dtype, first.shape.clone());
        if entries.iter().any(|entry| entry.dtype != element || entry.shape != shape) {
            let problem = format!("parts of the stack `{name}` differ in shape or type");
            return Err(refused(self.checkpoint, &problem));
        }
        let source = &sources[0];
        if source.name.ends_with(BLOCKS) {
            let [.., groups, BLOCK_BYTES] = shape[..] else {
                return Err(refused(
                    self.checkpoint,
                    &format!("`{}` has an odd shape", source.name),
                ));
            };
            shape.truncate(shape.len() - 2);
            shape.push(groups * BLOCK_BYTES / 4);
            element = ElementType::U32;
        }
        if let ([cols, 1, kernel], true) = (&shape[..], self.naming.is_filters(name)) {
            // The same bytes, because one of the dimensions is 1.
            shape = vec![*cols, *kernel, 1];
        }
        let mut share = None;
        let mut cols = shape.last().copied().unwrap_or(1);
        if let Some(of) = source.share {
            share = of.of(&mut shape, first.data.len());
            if share.is_none() {
                let problem = format!("`{}` has no rows that could be divided", source.name);
                return Err(refused(self.checkpoint, &problem));
            }
            cols = shape[of.rows.axis(shape.len()) + 1..].iter().product();
        }
        if entries.len() > 1 {
            shape.insert(0, entries.len());
        }
        let arithmetic = self.arithmetic(name, &shape)?;
        let Some(dtype) = element.dense().filter(|_| !shape.contains(&0)) else {
            // These values can't be computed with, so their bytes are copied.
            let cols = cols.max(1);
            let input = Input::Dense {
                entries,
                dtype: Dtype::F32,
                cols,
                share,
                arithmetic: Arithmetic::None,
            };
            let specs = vec![TensorSpec { name: name.to_owned(), dtype: element, shape }];
            return Ok(Decided { output: Output { specs, input, job: Job::Copy }, mode: None });
        };
        let is_turned = share.is_some_and(|share| share.rows == ShareRows::Turned);
        let is_changed = arithmetic != Arithmetic::None || is_turned;
        let input = Input::Dense { entries, dtype, cols, share, arithmetic };
        // Without a wish, only the language model gets the type that `config.json` names.
        let keeps_type = self.naming.keeps_type(name)
            || (self.options.dtype.is_none() && self.naming.is_other_modality(name));
        let cast = self.cast.filter(|_| !keeps_type);
        if let (Change::Quantize(quantization), true) =
            (&self.options.change, is_matrix && shape.len() > 1)
        {
            let module = name.trim_end_matches(".weight");
            if let Some((mode, named)) = quantization.choose(module, cols, self.layers, self.naming)
            {
                return Ok(quantize(module, &shape, input, cast, (mode, named)));
            }
        }
        let to = cast.unwrap_or(dtype);
        let job = if to == dtype && !is_changed { Job::Copy } else { Job::Values { cast, to } };
        let specs = vec![TensorSpec { name: name.to_owned(), dtype: to.into(), shape }];
        Ok(Decided { output: Output { specs, input, job }, mode: None })
    }

    /// Returns the arithmetic on a tensor of this shape.
    fn arithmetic(&self, name: &str, shape: &[usize]) -> Result<Arithmetic, FormatError> {
        let arithmetic = self.naming.arithmetic(name);
        match &arithmetic {
            Arithmetic::MultiplyRows { rows, .. } if shape.len() != 2 || shape[0] != rows.len() => {
                let problem =
                    format!("`{name}` has shape {shape:?}, but needs {} rows", rows.len());
                Err(refused(self.checkpoint, &problem))
            }
            _ => Ok(arithmetic),
        }
    }

    /// Handles a module that will be dequantized, and possibly quantized again in another mode.
    fn quantized(
        &self,
        name: &str,
        module: &str,
        sources: &[Source],
    ) -> Result<Decided, FormatError> {
        if self.naming.arithmetic(name) != Arithmetic::None || sources[0].share.is_some() {
            let problem = format!("`{name}` is quantized, but not in MLX's form");
            return Err(refused(self.checkpoint, &problem));
        }
        let mut parts = Vec::with_capacity(sources.len());
        for source in sources {
            parts.push(self.checkpoint.quantized_module(source.name.trim_end_matches(".weight"))?);
        }
        let Some(first) = parts.first() else {
            return Err(refused(self.checkpoint, &format!("`{name}` has no parts")));
        };
        let equal = |part: &mlxk_tensor::QuantTensor| {
            (part.rows, part.cols, part.experts) == (first.rows, first.cols, first.experts)
        };
        if !parts.iter().all(equal) {
            let problem = format!("parts of the stack `{name}` differ in shape");
            return Err(refused(self.checkpoint, &problem));
        }
        let stacked = self.checkpoint.entry(&sources[0].name)?.shape.len() > 2 || parts.len() > 1;
        let (rows, cols) = (first.rows, first.cols);
        let experts: usize = parts.iter().map(|part| part.experts).sum();
        let shape = if stacked { vec![experts, rows, cols] } else { vec![rows, cols] };
        let input = Input::Quantized(parts);
        if let Change::Quantize(quantization) = &self.options.change
            && let Some((mode, named)) = quantization.choose(module, cols, self.layers, self.naming)
        {
            return Ok(quantize(module, &shape, input, self.cast, (mode, named)));
        }
        // A requested type also applies to values that come from blocks.
        let to = self.options.dtype.unwrap_or_else(|| input.dtype(self.cast));
        let specs = vec![TensorSpec { name: name.to_owned(), dtype: to.into(), shape }];
        let job = Job::Values { cast: self.cast, to };
        Ok(Decided { output: Output { specs, input, job }, mode: None })
    }
}

fn quantize(
    module: &str,
    shape: &[usize],
    input: Input,
    cast: Option<Dtype>,
    (mode, named): (Mode, bool),
) -> Decided {
    let dtype = input.dtype(cast);
    let (leading, cols) = shape.split_at(shape.len() - 1);
    let spec = |suffix: &str, dtype: ElementType, last: usize| TensorSpec {
        name: format!("{module}.{suffix}"),
        dtype,
        shape: leading.iter().copied().chain([last]).collect(),
    };
    let groups = cols[0] / mode.group_size();
    let mut specs = vec![spec("weight", ElementType::U32, cols[0] * mode.bits() / 32)];
    if let Mode::Affine { .. } = mode {
        specs.push(spec("scales", dtype.into(), groups));
        specs.push(spec("biases", dtype.into(), groups));
    } else {
        specs.push(spec("scales", ElementType::U8, groups));
    }
    let output = Output { specs, input, job: Job::Quantize { cast, mode } };
    Decided { output, mode: Some((mode, named)) }
}

impl Conversion {
    /// Returns the size of everything that will be written in bytes, headers included.
    pub fn disk_bytes(&self) -> u64 {
        let specs: Vec<TensorSpec> =
            self.outputs.iter().flat_map(|output| output.specs.iter().cloned()).collect();
        // The index repeats the name of every tensor.
        let index: u64 = specs.iter().map(|spec| spec.name.len() as u64 + 64).sum();
        file_bytes(&specs, METADATA).unwrap_or(self.total_bytes).saturating_add(index)
    }
}
