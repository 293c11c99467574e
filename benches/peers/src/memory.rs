//! Allocations a frame, and the most bytes held, of the product's ways of use.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::{product, stream};

static ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

fn grown(by: usize) {
    CALLS.fetch_add(1, Relaxed);
    MOST.fetch_max(HELD.fetch_add(by, Relaxed) + by, Relaxed);
}

// Only counts, and hands everything on.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ON.load(Relaxed) {
            grown(layout.size());
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if ON.load(Relaxed) {
            HELD.fetch_sub(layout.size(), Relaxed);
        }
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

pub fn report() {
    println!("{:32}{:>8}{:>22}{:>16}", "GetMedia, 64 KiB pieces", "MiB", "allocations a frame", "most bytes");
    let mut failed = false;
    for mib in [4, 16, 64, 256] {
        let stream = stream::kvs(mib << 20);
        let piece = 64 * 1024;
        let bytes = &stream.bytes;
        let pieces: Vec<_> =
            (0..bytes.len()).step_by(piece).map(|at| bytes.slice(at..bytes.len().min(at + piece))).collect();
        let mut count = |name: &str, run: &dyn Fn()| {
            HELD.store(0, Relaxed);
            MOST.store(0, Relaxed);
            CALLS.store(0, Relaxed);
            ON.store(true, Relaxed);
            run();
            ON.store(false, Relaxed);
            let calls = CALLS.load(Relaxed) as f64 / stream.frames as f64;
            failed |= calls > 0.1;
            println!("{name:32}{mib:8}{calls:22.4}{:16}", MOST.load(Relaxed));
        };
        count("borrowed", &|| _ = std::hint::black_box(product::lent(&pieces)));
        count("sliced", &|| _ = std::hint::black_box(product::sliced(&pieces)));
        count("sliced, pieces received", &|| _ = std::hint::black_box(product::received(bytes, piece)));
    }
    assert!(!failed, "more than 0.1 allocations a frame");
}
