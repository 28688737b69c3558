//! Checks which `mlxk` a shell starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::doctor::{Check, Environment, Line, programs};

/// Timeout for `--version`. A Python program imports for seconds before it prints anything.
const PATIENCE: Duration = Duration::from_secs(20);
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) const CHECK: Check =
    Check { id: "path", about: "which `mlxk` a shell starts", slow: false, run };

/// A program called `mlxk`.
struct Namesake {
    path: PathBuf,
    /// `true` if it is the running program.
    is_this: bool,
    /// Description from its `--version`.
    what: String,
    /// `true` if it is another version or another program.
    differs: bool,
}

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let around = &environment.around;
    let this = around.program.canonicalize().unwrap_or_else(|_| around.program.clone());
    let found: Vec<Namesake> = programs::find("mlxk", &around.search_path)
        .into_iter()
        .map(|path| namesake(path, &this))
        .collect();
    let data = json!({
        "this": this,
        "version": VERSION,
        "on_path": found.iter().map(|it| json!({"path": it.path, "is": it.what})).collect::<Vec<_>>(),
    });
    let Some(first) = found.first() else {
        let text = format!("`mlxk` is not on the search path (this is `{}`)", this.display());
        return vec![Line::warning(text).fix(prepend(&this)).data(data)];
    };
    let path = first.path.display();
    let mut lines = vec![if first.differs {
        Line::broken(format!(
            "Your shell starts `{path}`, which is {}; this is version {VERSION}, `{}`",
            first.what,
            this.display()
        ))
        .fix(format!("{} (or remove the other one)", prepend(&this)))
        .data(data)
    } else {
        let which = if first.is_this { "which is this program" } else { first.what.as_str() };
        Line::ok(format!("Your shell starts `{path}`, {which}")).data(data)
    }];
    for other in found.iter().skip(1).filter(|other| other.differs) {
        let text =
            format!("`{}` ({}) comes later on the search path", other.path.display(), other.what);
        let fix = "Remove it if you don't need it";
        lines.push(Line::warning(text).fix(fix));
    }
    lines
}

fn namesake(path: PathBuf, this: &Path) -> Namesake {
    if path.canonicalize().is_ok_and(|path| path == this) {
        return Namesake {
            path,
            is_this: true,
            what: format!("version {VERSION}"),
            differs: false,
        };
    }
    let said = programs::ask(&path, &["--version"], PATIENCE);
    let version = said.as_deref().and_then(|said| said.strip_prefix("mlxk "));
    let what = match version {
        Some(version) if programs::is_python(&path) && version != VERSION => {
            format!("MLX-Knife for Python, version {version}")
        }
        Some(version) => format!("version {version}"),
        None => "a program of unknown version".to_owned(),
    };
    Namesake { differs: version != Some(VERSION), path, is_this: false, what }
}

/// Returns the command that puts the folder of this program first.
fn prepend(this: &Path) -> String {
    let folder = this.parent().unwrap_or(this).display();
    if cfg!(windows) {
        format!("$env:PATH = \"{folder};$env:PATH\"")
    } else {
        format!("export PATH=\"{folder}:$PATH\"")
    }
}
