//! From a model reference to a folder on this machine, importing where that is allowed.

use std::io::{BufRead, IsTerminal, Write};
use std::ops::ControlFlow;

use mlxk_hub::{ImportInfo, Matching, Reference, Resolution, Resolved};

use crate::Context;
use crate::format;

/// A download or import above this size is asked about on a terminal.
const ASK_ABOVE_BYTES: u64 = 2_000_000_000;

/// Finds the model; imports it where it has to be and `pull` allows it.
pub(crate) fn find(name: &str, pull: bool, context: &Context) -> anyhow::Result<Resolved> {
    let reference: Reference = name.parse()?;
    let locations = &context.settings.locations;
    let resolution =
        mlxk_hub::resolve(&reference, Matching::Substring, &context.settings.pairs, locations)?;
    let resolved = match resolution {
        Resolution::NeedsImport(plan) if pull => {
            let progress = context.printer.progress();
            mlxk_hub::import(&plan, locations, &progress, &mut |info| agree(info, context))?
        }
        other => other.local()?,
    };
    if resolved.changed {
        context.printer.note(format_args!("Model: {}", resolved.name));
    }
    Ok(resolved)
}

/// Says what an import takes, and asks where that is much.
fn agree(info: &ImportInfo, context: &Context) -> ControlFlow<()> {
    let bytes = if info.download_bytes > 0 { info.download_bytes } else { info.needed_bytes };
    let what = if info.download_bytes > 0 { "to download" } else { "on disk" };
    context.printer.note(format_args!(
        "Importing {} from {} ({} {what})",
        info.name,
        info.source,
        format::size(bytes)
    ));
    if bytes <= ASK_ABOVE_BYTES || !std::io::stdin().is_terminal() {
        return ControlFlow::Continue(());
    }
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "Go on? [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    match read {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }
}
