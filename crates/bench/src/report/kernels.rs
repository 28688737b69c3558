//! Layout of `mlxk bench kernels`.

use super::{Align, Document, Part, Table, percent, three};
use crate::kernels::KernelReport;

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
