use std::sync::Arc;
use modelgate_ports::driven::QuotaLedger as _;
use modelgate_ports::test_util::sample::{admission, quota, settlement};
use crate::scratch::{Scratch, ledger, new_keys};
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn perf() {
    for width in [1u64, 16, 128, 512] {
        let scratch = Scratch::new();
        let sql = scratch.open();
        let keys = new_keys::<100>(&sql).await;
        let ledger = Arc::new(ledger(&sql));
        let total = 20_000u64;
        let began = std::time::Instant::now();
        let mut set = tokio::task::JoinSet::new();
        for w in 0..width {
            let ledger = ledger.clone();
            set.spawn(async move {
                let mut n = w;
                while n < total {
                    let a = admission(keys[(n % 100) as usize], n, Some(quota(1 << 40)), 10, 10);
                    ledger.reserve(&a).await.unwrap();
                    ledger.settle(a.request, settlement(5, 5)).await.unwrap();
                    n += width;
                }
            });
        }
        set.join_all().await;
        let wall = began.elapsed();
        let mut cpu = String::new();
        for t in std::fs::read_dir("/proc/self/task").unwrap() {
            let p = t.unwrap().path();
            let c = std::fs::read_to_string(p.join("comm")).unwrap();
            if c.trim() == "ledger" { let s = std::fs::read_to_string(p.join("schedstat")).unwrap(); cpu = s.split(' ').next().unwrap().to_owned(); }
        }
        println!("width {width}: {:?} per op wall, ledger cpu {} ns per op", wall / (2 * total as u32), cpu.parse::<u64>().unwrap_or(0) / (2 * total));
        sql.close().await;
    }
}
