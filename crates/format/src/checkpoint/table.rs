//! The quantization table of `config.json`: defaults and overrides for single modules.
//!
//! The table is untrusted. mlx-lm derives the mode of a module that the table does not name from
//! the shapes of its tensors, and so do we. If the table names a module, it must agree with the
//! shapes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use mlxk_tensor::Mode;
use serde_json::{Map, Value};

use crate::error::FormatError;

use super::ternary::Ternary;

/// `quantization`, or `quantization_config` if MLX wrote it.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Top-level parameters.
    pub(super) default: Option<Claim>,
    /// Overrides for single modules, by path.
    pub(super) overrides: BTreeMap<String, Override>,
    /// The tool that quantized the checkpoint, if it was not MLX.
    pub(super) quant_method: Option<String>,
    pub(super) ternary: Ternary,
}

/// Statement about one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Override {
    /// `false`: the module stays dense.
    Dense,
    /// `true`: the top-level parameters apply.
    Default,
    /// Parameters of the module itself.
    Claim(Claim),
}

/// Quantization parameters; `None` for those that are not stated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) bits: Option<u64>,
    pub(super) group_size: Option<u64>,
    pub(super) kind: Option<Kind>,
}

/// The value of `mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Affine,
    Mxfp4,
    Mxfp8,
    Nvfp4,
}

impl Kind {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "affine" => Some(Self::Affine),
            "mxfp4" => Some(Self::Mxfp4),
            "mxfp8" => Some(Self::Mxfp8),
            "nvfp4" => Some(Self::Nvfp4),
            _ => None,
        }
    }

    fn of(mode: Mode) -> Self {
        match mode {
            Mode::Affine { .. } => Self::Affine,
            Mode::Mxfp4 => Self::Mxfp4,
            Mode::Mxfp8 => Self::Mxfp8,
            Mode::Nvfp4 => Self::Nvfp4,
        }
    }
}

impl Table {
    /// Reads the table. `path` is only used in error messages.
    pub(super) fn new(path: &Path, config: &Value) -> Result<Self, FormatError> {
        let foreign = config.get("quantization_config").and_then(|value| value.get("quant_method"));
        let quant_method = foreign
            .and_then(Value::as_str)
            .filter(|method| !method.eq_ignore_ascii_case("mlx"))
            .map(str::to_owned);
        let ternary = Ternary::new(config, quant_method.as_deref());
        let (key, table) = match (config.get("quantization"), config.get("quantization_config")) {
            (Some(table), _) if !table.is_null() => ("quantization", table),
            (_, Some(table)) if !table.is_null() && quant_method.is_none() => {
                ("quantization_config", table)
            }
            _ => return Ok(Self { quant_method, ternary, ..Self::default() }),
        };
        let reader = Reader { path };
        let members = table.as_object().ok_or_else(|| reader.wrong(key, "an object"))?;
        let mut overrides = BTreeMap::new();
        for (name, value) in members {
            let key = format!("{key}.{name}");
            let said = match value {
                Value::Bool(false) => Override::Dense,
                Value::Bool(true) => Override::Default,
                Value::Object(members) => Override::Claim(reader.claim(&key, members)?),
                _ => continue,
            };
            overrides.insert(name.clone(), said);
        }
        Ok(Self { default: Some(reader.claim(key, members)?), overrides, quant_method, ternary })
    }
}

struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn claim(&self, key: &str, members: &Map<String, Value>) -> Result<Claim, FormatError> {
        let number = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| self.wrong(&format!("{key}.{name}"), "a whole number")),
        };
        let kind = match members.get("mode") {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.as_str().and_then(Kind::from_name).ok_or_else(|| {
                self.wrong(&format!("{key}.mode"), "`affine`, `mxfp4`, `mxfp8` or `nvfp4`")
            })?),
        };
        Ok(Claim { bits: number("bits")?, group_size: number("group_size")?, kind })
    }

    fn wrong(&self, key: &str, expected: &'static str) -> FormatError {
        FormatError::ConfigValue { path: self.path.to_owned(), key: key.to_owned(), expected }
    }
}

impl Claim {
    /// Returns `true` if a module of this mode agrees with everything that is stated. A claim
    /// without a mode means affine groups, unless nothing else is stated either.
    pub(super) fn allows(&self, mode: Mode) -> bool {
        let stated = self.bits.is_some() || self.group_size.is_some();
        let kind = self.kind.or(stated.then_some(Kind::Affine));
        kind.is_none_or(|kind| kind == Kind::of(mode))
            && self.bits.is_none_or(|bits| bits == mode.bits() as u64)
            && self.group_size.is_none_or(|size| size == mode.group_size() as u64)
    }

    /// Returns the mode if it is stated completely or follows from its kind.
    pub(super) fn mode(&self) -> Option<Mode> {
        let mode = match self.kind.unwrap_or(Kind::Affine) {
            Kind::Mxfp4 => Mode::Mxfp4,
            Kind::Mxfp8 => Mode::Mxfp8,
            Kind::Nvfp4 => Mode::Nvfp4,
            Kind::Affine => Mode::affine(self.bits?, self.group_size?)?,
        };
        self.allows(mode).then_some(mode)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            None | Some(Kind::Affine) => "affine",
            Some(Kind::Mxfp4) => "mxfp4",
            Some(Kind::Mxfp8) => "mxfp8",
            Some(Kind::Nvfp4) => "nvfp4",
        };
        f.write_str(kind)?;
        if let Some(bits) = self.bits {
            write!(f, " {bits}-bit")?;
        }
        if let Some(size) = self.group_size {
            write!(f, " (group size {size})")?;
        }
        Ok(())
    }
}
