//! Demux throughput in bytes and frames a second, beside its ceiling from the same run.

use std::hint::black_box;
use std::time::Duration;

use benches::streams::{self, Stream};
use benches::{ceiling, demux};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn of_shape(criterion: &mut Criterion, shape: &str, stream: &Stream) {
    let mut group = criterion.benchmark_group("demux");
    group.throughput(Throughput::ElementsAndBytes {
        elements: stream.frames,
        bytes: stream.bytes.len() as u64,
    });
    group.bench_function(BenchmarkId::new("ceiling", shape), |b| {
        b.iter(|| ceiling::scan(black_box(&stream.bytes)));
    });
    group.bench_function(BenchmarkId::new("sliced", shape), |b| b.iter(|| demux::sliced(black_box(stream))));
    group.bench_function(BenchmarkId::new("receive copy alone", shape), |b| {
        b.iter(|| demux::receive_only(black_box(stream)));
    });
    group.bench_function(BenchmarkId::new("received", shape), |b| {
        b.iter(|| demux::received(black_box(stream)));
    });
    group.finish();
}

fn both_shapes(criterion: &mut Criterion) {
    of_shape(criterion, "GetMedia", &streams::get_media(streams::FRAGMENTS));
    of_shape(criterion, "single Segment", &streams::single_segment());
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = both_shapes
}
criterion_main!(benches);
