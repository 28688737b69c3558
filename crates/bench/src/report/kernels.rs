//! Layout of `mlxk bench kernels`.

use super::{Align, Document, Part, Table, percent, three};
use crate::kernels::{GpuKernelReport, KernelReport};

/// Returns the report with a row for each product.
pub fn kernels(report: &KernelReport) -> Document {
    let mut table = Table::new(&[
        ("mode", Align::Left),
        ("bits", Align::Right),
        ("shape", Align::Right),
        ("rows", Align::Right),
        ("µs", Align::Right),
        ("quartiles", Align::Right),
        ("GB/s", Align::Right),
        ("of read", Align::Right),
        ("GMAC/s", Align::Right),
        ("of peak", Align::Right),
    ]);
    for row in &report.rows {
        let (low, high) = (row.seconds.lower_quartile, row.seconds.upper_quartile);
        table.row(vec![
            row.mode.clone(),
            format!("{:.2}", row.bits_per_weight()),
            format!("{}×{}", row.out, row.cols),
            row.rows.to_string(),
            three(row.seconds.median * 1e6),
            format!("{}–{}", three(low * 1e6), three(high * 1e6)),
            three(row.bytes_per_second / 1e9),
            percent(row.share_of_read),
            three(row.multiply_adds_per_second / 1e9),
            row.share_of_peak.map_or_else(|| "–".to_owned(), percent),
        ]);
    }
    let exact = if report.exact { ", exact" } else { "" };
    let runs = report.rows.first().map_or(0, |row| row.seconds.samples.len());
    let mut parts = vec![
        Part::Title(format!("Matrix products, mlxk {}", report.version)),
        Part::Fact("Machine", report.machine.line()),
        Part::Fact("Kernels", format!("{}{exact}", report.instructions)),
        Part::Fact("At best", report.limits.line()),
        Part::Table(table),
        Part::Note(format!(
            "Medians and quartiles of {runs} samples; weights come from memory. \"Of read\": the \
             weight's bytes per second over the measured read bandwidth. \"Of peak\": \
             multiply-adds over the measured peak, of bytes if the kernel multiplies codes, otherwise \
             of f32."
        )),
    ];
    parts.extend(report.machine.warning().map(Part::Note));
    Document { parts }
}

/// Returns the report of a GPU with a row for each kernel.
pub fn gpu_kernels(report: &GpuKernelReport) -> Document {
    let mut table = Table::new(&[
        ("kernel", Align::Left),
        ("mode", Align::Left),
        ("shape", Align::Right),
        ("rows", Align::Right),
        ("after", Align::Right),
        ("µs", Align::Right),
        ("quartiles", Align::Right),
        ("GB/s", Align::Right),
        ("of copy", Align::Right),
        ("TFLOP/s", Align::Right),
        ("of peak", Align::Right),
    ]);
    for row in &report.rows {
        let (low, high) = (row.seconds.lower_quartile, row.seconds.upper_quartile);
        let shape: Vec<String> = row.shape.iter().map(ToString::to_string).collect();
        let separator = if row.context.is_some() { "/" } else { "×" };
        table.row(vec![
            row.kernel.clone(),
            row.mode.clone(),
            shape.join(separator),
            row.rows.to_string(),
            row.context.map_or_else(|| "–".to_owned(), |context| context.to_string()),
            three(row.seconds.median * 1e6),
            format!("{}–{}", three(low * 1e6), three(high * 1e6)),
            three(row.bytes_per_second / 1e9),
            percent(row.share_of_copy),
            three(2.0 * row.multiply_adds_per_second / 1e12),
            percent(row.share_of_peak),
        ]);
    }
    let runs = report.rows.first().map_or(0, |row| row.seconds.samples.len());
    let exact = if report.exact { ", exact" } else { "" };
    let gpu = &report.gpu;
    let mut parts = vec![
        Part::Title(format!("Kernels of a GPU, mlxk {}", report.version)),
        Part::Fact("Machine", report.machine.line()),
        Part::Fact("GPU", format!("{}, {} ({}){exact}", gpu.name, gpu.driver, gpu.interface)),
        Part::Fact("At best", report.limits.line()),
        Part::Table(table),
        Part::Note(format!(
            "Medians and quartiles of {runs} samples of about 10 ms each, by the clock of the GPU; weights, keys and \
             values come from memory. Shapes are outputs and inputs of a weight, or heads of queries, heads of keys, \
             and their width. \"Of copy\": the bytes of the weight, or of keys and values, per second over those that a \
             copy reads and writes. \"Of peak\": over the fastest arithmetic in registers."
        )),
    ];
    if !report.tuned.is_empty() {
        let changed = report.tuned.iter().filter(|field| field.chosen != field.default);
        let changed: Vec<String> = changed
            .map(|field| format!("{} {} instead of {}", field.field, field.chosen, field.default))
            .collect();
        let changed =
            if changed.is_empty() { "nothing is faster".to_owned() } else { changed.join(", ") };
        parts.push(Part::Note(format!("Shapes of kernels that were tried before: {changed}.")));
    }
    Document { parts }
}
