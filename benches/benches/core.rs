//! The cost of the call core: GetMedia bytes in, chunks out. An element is a second of a two-party call.

use std::hint::black_box;
use std::time::Duration;

use benches::{call, streams};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Fragments of a minute.
const FRAGMENTS: usize = 56;

fn a_minute(criterion: &mut Criterion) {
    let stream = streams::get_media(FRAGMENTS);
    let on_hold = call::on_hold(&stream);
    let mut group = criterion.benchmark_group("core");
    group.throughput(Throughput::Elements(stream.duration_ms.unsigned_abs() / 1000));
    group.bench_function("gate open", |b| b.iter(|| call::play(black_box(&stream), Vec::new())));
    group.bench_function("gate closed", |b| b.iter(|| call::play(black_box(&stream), on_hold.clone())));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = a_minute
}
criterion_main!(benches);
