use std::ops::ControlFlow;

use super::*;

fn options(forms: &str) -> KernelOptions {
    KernelOptions {
        threads: Some(2),
        instructions: Some(InstructionSet::Portable),
        exact: false,
        forms: forms.parse::<WeightForms>().unwrap().0,
        shapes: vec![MatrixShape { out: 96, cols: 128 }],
        rows: vec![1, 3],
        runs: 2,
    }
}

/// The products must match the values that the weights stand for.
#[test]
fn every_form_is_a_weight_that_the_device_takes() {
    let shape = MatrixShape { out: 4, cols: 256 };
    let mut cpu =
        Cpu::new(CpuOptions { threads: Some(1), exact: true, ..CpuOptions::default() }).unwrap();
    for form in WeightForm::all() {
        let tensor = weight::tensor(form, shape);
        let expected = tensor.dequantize();
        let mean = expected.iter().map(|value| value.abs()).sum::<f32>() / expected.len() as f32;
        assert!(mean > 0.1 && expected.iter().all(|value| value.is_finite()), "{form}: {mean}");
        let weight = cpu.load(weight::copy(&tensor), None).unwrap();
        let inputs =
            cpu.load(weight::tensor(INPUTS, MatrixShape { out: 1, ..shape }), None).unwrap();
        cpu.begin(&Batch::default()).unwrap();
        let (x, out) = (cpu.act(1, shape.cols), cpu.act(1, shape.out));
        cpu.embed(x, inputs, &[0], 1.0);
        cpu.linear(&[out], x, &[weight]);
        let x = cpu.read(x).unwrap().to_vec();
        for (row, &found) in cpu.read(out).unwrap().iter().enumerate() {
            let products = expected[row * 256..].iter().zip(&x).map(|(w, x)| f64::from(w * x));
            let expected: f64 = products.sum();
            assert!((f64::from(found) - expected).abs() < 1e-2 * (1.0 + expected.abs()), "{form}");
        }
    }
}

#[test]
fn the_figures_of_a_row_belong_together() {
    let mut steps = Vec::new();
    let options =
        KernelOptions { forms: "4:64".parse::<WeightForms>().unwrap().0, ..options("bf16") };
    let report = run(&options, "1.2.3", &mut |what, done, all| {
        steps.push((what.to_owned(), done, all));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[1].1, steps[1].2), (1, 2));
    assert_eq!((report.instructions.as_str(), report.limits.threads), ("portable", 2));
    assert_eq!(report.rows.iter().map(|row| row.rows).collect::<Vec<_>>(), [1, 3]);
    for row in &report.rows {
        assert!((row.bits_per_weight() - 4.5).abs() < 1e-9);
        assert_eq!(row.seconds.samples.len(), 2);
        let products = row.multiply_adds_per_second * row.seconds.median;
        assert!((products / (96 * 128 * row.rows) as f64 - 1.0).abs() < 1e-9);
        assert!(row.integer && row.share_of_peak.is_none(), "the portable kernels have no peak");
        let share = row.bytes_per_second / report.limits.read.maximum;
        assert!((row.share_of_read / share - 1.0).abs() < 1e-9);
    }
}

#[test]
fn what_cannot_be_measured_is_refused_first() {
    let mut wrong = options("all");
    wrong.shapes.push(MatrixShape { out: 8, cols: 96 });
    let message = run(&wrong, "", &mut |_, _, _| panic!("nothing is measured")).unwrap_err();
    assert!(message.to_string().contains("do not divide 96 columns"), "{message}");
    let stopped = run(&options("4:64"), "", &mut |_, _, _| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(BenchError::Cancelled)));
}
