//! Rules of this repository that the compiler cannot hold. Needs no Redis and no Postgres.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may name of the rest. Arrows only point up this list. A name with `::` allows no
/// more than that one item.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &[]),
    ("faults", &[]),
    ("telemetry", &[]),
    ("tasks", &["telemetry"]),
    ("ledger", &["faults", "model"]),
    ("redis", &["faults", "model"]),
    ("engine", &["clock", "faults", "ledger", "model", "redis", "tasks", "telemetry"]),
    ("web", &["engine", "faults", "model", "random_text", "tasks", "telemetry"]),
    ("signals", &[]),
    ("gateway", &["engine", "ledger", "model", "redis", "tasks", "telemetry", "web"]),
    ("dev", &["gateway", "ledger", "random_text", "signals", "telemetry", "web"]),
    ("bin", &[]), // The load generator, a crate of its own.
];

/// All that the load generator may name of ropeline: nothing that a stranger could not do as well.
const FROM_OUTSIDE: &[&str] = &["clock::Clock", "dev::stores", "random_text", "signals"];

/// The only modules that may name each library. `dev` asks its own Postgres whether it is up.
const HOMES: &[(&str, &[&str])] = &[
    ("redis::", &["redis"]),
    ("sqlx::", &["ledger", "dev"]),
    ("axum::", &["web"]),
    ("askama::", &["web"]),
    ("clap::", &["bin", "dev", "gateway", "main", "telemetry"]),
    ("reqwest::", &["bin", "dev"]),
    ("rlimit::", &["bin", "gateway"]),
    ("tokio_tungstenite::", &["dev", "web"]),
];

#[test]
fn modules_only_name_the_modules_below_them() {
    for (module, text) in sources() {
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == module.name) else {
            assert_eq!(module.name, "lib", "{}: has no row in this test", module.path);
            continue;
        };
        for named in named_in_crate(&text) {
            let own = named.starts_with(&format!("{}::", module.name)) || named == module.name;
            let may = allowed
                .iter()
                .any(|name| named == *name || named.starts_with(&format!("{name}::")));
            assert!(own || may, "{}: crate::{named}", module.path);
        }
        // A chain of `super` that reaches the root would go around the wall.
        let depth = module.path.matches('/').count();
        let root = "super::".repeat(depth);
        assert!(!text.contains(&root) || depth < 2, "{}: {root} is the root", module.path);
    }
}

#[test]
fn the_load_generator_comes_through_the_front_door() {
    let mut named = 0;
    for (module, text) in sources() {
        if module.name != "bin" {
            continue;
        }
        for (at, _) in text.match_indices("ropeline::") {
            let item = path(&text[at + "ropeline::".len()..]);
            named += 1;
            assert!(
                FROM_OUTSIDE.iter().any(|allowed| item.starts_with(allowed)),
                "{}: ropeline::{item}",
                module.path
            );
        }
    }
    assert!(named > 3, "it starts stores for its own sale");
}

#[test]
fn a_build_without_the_faults_has_none_of_them() {
    let program = fs::read(env!("CARGO_BIN_EXE_ropeline")).unwrap();
    for name in ["ROPELINE_FAULT_FILE", "ROPELINE_MISTAKE"] {
        let is_there = program.windows(name.len()).any(|part| part == name.as_bytes());
        assert!(!is_there, "the program reads {name}");
    }
    let reads = fs::read_to_string(root().join("src/faults/armed.rs")).unwrap();
    assert!(reads.contains("ROPELINE_FAULT_FILE") && reads.contains("ROPELINE_MISTAKE"));
}

#[test]
fn what_the_runbook_says_is_in_the_log_is_written_there() {
    let runbook = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let section = runbook.split("## When something dies").nth(1).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    let source: String = sources().into_iter().map(|(_, text)| text).collect();
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = 0;
    for row in rows.take_while(|row| row.matches(" | ").count() == 4) {
        let seen = row.split(" | ").nth(1).unwrap();
        for said in seen.split('`').skip(1).step_by(2) {
            let is_line_of_log = said.contains(' ');
            assert!(!is_line_of_log || source.contains(said), "nothing logs: {said}");
            found += usize::from(is_line_of_log);
        }
    }
    assert!(found > 10, "the runbook has its log lines in its second column");
}

/// Spawns that end by themselves, by file, and why. A task that runs for good is kept by `tasks`, which restarts and
/// reports it.
const SHORT_SPAWNS: &[(&str, usize, &str)] = &[
    ("src/dev/demo/mod.rs", 1, "simulated shoppers"),
    ("src/dev/mod.rs", 1, "the gateway itself, whose end is waited for"),
    ("src/engine/line/join.rs", 3, "one group of joins, its journal, what is left to write of it"),
    ("src/engine/line/returning.rs", 1, "tickets of one line, until Redis takes them"),
    ("src/engine/mistakes.rs", 2, "the drill's own, not compiled otherwise"),
    (
        "src/engine/steering/operate.rs",
        4,
        "one change, telling Redis of it, and what the time asks for in one sale",
    ),
    ("src/engine/repair/rebuild.rs", 1, "one rebuild"),
    ("src/engine/checkout/settle.rs", 1, "one confirm or release"),
    ("src/engine/checkout/batch.rs", 4, "one group of confirms, and one confirm"),
    (
        "src/engine/loops/tick.rs",
        1,
        "one survey of one line; its guard frees the line even after a panic",
    ),
    ("src/gateway/mod.rs", 1, "the start and the end of a gateway; the gateway ends with it"),
    ("src/web/shopper/streaming/mistakes.rs", 1, "the drill's own, not compiled otherwise"),
    ("src/web/server/serve.rs", 1, "one connection"),
    ("src/web/server/wire.rs", 1, "the last moment of one connection"),
    ("src/signals.rs", 1, "nothing in it can fail; a second signal ends the process"),
    ("src/tasks.rs", 1, "the home of all others"),
];

#[test]
fn what_runs_for_good_is_kept_by_the_tasks() {
    let mut spawns = Vec::new();
    for (module, text) in sources() {
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        let is_process =
            |at: usize| shipped[..at].ends_with("Guarded::") || shipped[..at].ends_with("shell.");
        let count = shipped
            .match_indices("spawn(")
            .filter(|(at, _)| !is_process(*at) && !shipped[at + 6..].starts_with(')'))
            .filter(|(at, _)| !shipped[..*at].ends_with("fn "))
            .count();
        if count > 0 && module.name != "bin" {
            spawns.push((module.path, count));
        }
    }
    spawns.sort();
    let mut allowed: Vec<_> =
        SHORT_SPAWNS.iter().map(|(path, count, _)| ((*path).to_owned(), *count)).collect();
    allowed.sort();
    assert_eq!(spawns, allowed, "a spawn that ends by itself has a row here; any other is a task");
}

/// A reader of a log or of `/readyz` looks a task up there.
#[test]
fn every_background_task_is_in_the_handbook() {
    let handbook = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    for task in ropeline::tasks::Task::ALL {
        let (name, lost) = (task.name(), task.lost());
        assert!(handbook.contains(&format!("| `{name}` | {lost} |")), "| `{name}` | {lost} |");
    }
}

/// A line between two rows ends a table, and the rows below it are shown as text.
#[test]
fn every_table_in_the_documents_is_whole() {
    let mut documents = files("docs", "md");
    documents.push(root().join("README.md"));
    let mut tables = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let mut lines = text.lines().enumerate().peekable();
        let mut is_code = false;
        while let Some((number, head)) = lines.next() {
            is_code ^= head.starts_with("```");
            if is_code || !head.starts_with('|') {
                continue;
            }
            let at = format!("{}:{}", document.display(), number + 1);
            let (_, rule) = lines.next().unwrap_or_else(|| panic!("{at}: a table of one line"));
            let is_rule = rule.starts_with('|') && rule.chars().all(|c| "|-: ".contains(c));
            assert!(is_rule, "{at}: a table without a line of dashes below its head: {head}");
            tables += 1;
            while let Some((number, row)) = lines.next_if(|(_, line)| line.starts_with('|')) {
                let at = format!("{}:{}", document.display(), number + 1);
                assert_eq!(cells(row), cells(head), "{at}: cells of {row}");
            }
        }
    }
    assert!(tables > 20, "{tables}");
}

/// Separators of a row of a table; `\\|` is none.
fn cells(row: &str) -> usize {
    row.matches('|').count() - row.matches("\\|").count()
}

#[test]
fn each_library_stays_at_home() {
    for (module, text) in sources() {
        for (library, homes) in HOMES {
            let is_home = homes.contains(&module.name.as_str());
            assert!(is_home || !names(&text, library), "{}: {library}", module.path);
        }
    }
}

#[test]
fn every_script_states_its_contract_and_its_wrapper_keeps_it() {
    let scripts = files("lua", "lua");
    assert!(!scripts.is_empty());
    for file in scripts {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let header: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
        let says = |word: &str| header.iter().filter(|line| line.starts_with(word)).count();
        assert!(header[0].starts_with("#!lua"), "{name}: opens with #!lua");
        assert!(header[1].starts_with(&format!("-- {name}: ")), "{name}: says what it does");
        assert_eq!((says("-- Returns "), says("-- Keeps ")), (1, 1), "{name}: Returns and Keeps");

        let (keys, args) = (documented(&header, "KEYS"), documented(&header, "ARGV"));
        let arity = format!(
            "assert(#KEYS == {} and #ARGV == {}, \"{name}: arity\")",
            keys.len(),
            args.len()
        );
        assert!(text.contains(&arity), "{name}: asserts its arity");
        for (array, named) in [("KEYS", &keys), ("ARGV", &args)] {
            assert_eq!(
                &unpacked(&text, array),
                named,
                "{name}: {array} are unpacked as documented"
            );
        }

        let wrapper =
            fs::read_to_string(root().join(format!("src/redis/scripts/{name}.rs"))).unwrap();
        assert!(wrapper.contains(&format!("script!(\"{name}\")")), "{name}: its own script");
        assert_passes(name, &passed(&wrapper, ".key("), &keys);
        assert_passes(name, &passed(&wrapper, ".arg("), &args);
    }
}

/// What the self-check does not try, a Redis user may lack unseen.
#[test]
fn the_probe_tries_every_command_that_a_script_runs_and_the_grant_names_it() {
    let probe = fs::read_to_string(root().join("lua/probe.lua")).unwrap();
    let check = fs::read_to_string(root().join("src/redis/check.rs")).unwrap();
    let mut seen = 0;
    for file in files("lua", "lua") {
        let text = fs::read_to_string(&file).unwrap();
        for call in text.split("call(\"").skip(1) {
            let command = call.split('"').next().unwrap();
            seen += 1;
            assert!(probe.contains(&format!("try(\"{command}\"")), "{}: {command}", file.display());
            let right = format!("+{} ", command.to_lowercase());
            let granted = check.replace("\";", " ").replace("\\\n", " ");
            assert!(granted.contains(&right), "{}: {right}", file.display());
        }
    }
    assert!(seen > 50);
}

/// Whoever reads a finding in a metric or in a log looks it up there.
#[test]
fn every_finding_is_in_the_handbook() {
    let handbook = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let mut found = 0;
    for (module, text) in sources() {
        if !["selfcheck", "gateway", "traffic"].iter().any(|part| module.path.contains(part)) {
            continue;
        }
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        for weight in ["Finding::refuse(", "Finding::warn("] {
            for name in shipped
                .split(weight)
                .skip(1)
                .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
            {
                found += 1;
                assert!(handbook.contains(&format!("`{name}`")), "{}: {name}", module.path);
            }
        }
    }
    assert!(found > 15, "{found}");
}

#[test]
fn every_outcome_of_a_script_is_known_to_its_wrapper_and_the_other_way_round() {
    for file in files("lua", "lua") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let wrapper =
            fs::read_to_string(root().join(format!("src/redis/scripts/{name}.rs"))).unwrap();
        let documented: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.starts_with("-- Returns "))
            .take_while(|line| !line.starts_with("-- Keeps "))
            .filter_map(|line| line.strip_prefix("--   ")?.split_once("  "))
            .map(|(outcome, _)| outcome)
            .filter(|outcome| !outcome.is_empty() && !outcome.contains(' '))
            .collect();
        assert!(!documented.is_empty(), "{name}: documents its outcomes");
        for outcome in &documented {
            let returned = text.contains(&format!("return {{ \"{outcome}\""))
                || text.contains(&format!("return {{\n  \"{outcome}\""));
            assert!(returned, "{name}: returns {outcome}");
            // `unknown` turns "epoch" into Fenced for all of them.
            let handled = *outcome == "epoch" || wrapper.contains(&format!("\"{outcome}\" =>"));
            assert!(handled, "{name}: the wrapper knows {outcome}");
        }
        let handled = wrapper.matches("\" => ").count()
            + usize::from(!wrapper.contains("\"epoch\" =>") && documented.contains(&"epoch"));
        let feed = if name == "survey" { 3 } else { 0 }; // the kinds of a change
        assert_eq!(handled - feed, documented.len(), "{name}: no outcome is undocumented");
    }
}

#[test]
fn every_file_says_what_it_owns_or_is_a_wrapper_that_its_script_describes() {
    for (module, text) in sources() {
        let stem = Path::new(&module.path).file_stem().unwrap().to_str().unwrap();
        let is_wrapper = module.name == "redis" && root().join(format!("lua/{stem}.lua")).exists();
        assert!(is_wrapper || text.starts_with("//! "), "{}: opens with //!", module.path);
    }
}

#[test]
fn nothing_is_left_for_later() {
    let mut all = files("src", "rs");
    for (dir, extension) in
        [("lua", "lua"), ("migrations", "sql"), ("templates", "html"), ("templates", "js")]
    {
        all.extend(files(dir, extension));
    }
    let is_ours = |file: &&PathBuf| !file.to_string_lossy().contains("/vendor/");
    for file in all.iter().filter(is_ours) {
        let text = fs::read_to_string(file).unwrap().to_lowercase();
        for word in ["to\u{64}o", "fix\u{6d}e", "unimpl\u{65}mented!"] {
            assert!(!text.contains(word), "{}: {word}", file.display());
        }
    }
}

/// A setting that nobody reads of is a setting that nobody has.
#[test]
fn every_setting_is_documented() {
    let config = fs::read_to_string(root().join("src/gateway/config.rs")).unwrap();
    let settings: Vec<&str> = config
        .split("env = \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .filter(|name| !name.ends_with("_FILE"))
        .collect();
    assert!(settings.len() >= 10, "{settings:?}");
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let documents = files("docs", "md")
        .iter()
        .fold(readme, |all, file| all + &fs::read_to_string(file).unwrap());
    for setting in settings {
        assert!(documents.contains(&format!("`{setting}`")), "{setting} is documented");
    }
    assert!(documents.contains("_FILE"), "secrets in files are documented");
}

/// A source file: the module it belongs to, and its path below `src`'s parent.
struct Module {
    name: String,
    path: String,
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut documents = files("docs", "md");
    documents.push(root().join("README.md"));
    let mut seen = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            seen += 1;
            let file = document.parent().unwrap().join(target);
            assert!(file.exists(), "{}: {target}", document.display());
        }
    }
    assert!(seen >= 5, "the README leads to its documents and pictures: {seen}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The code of a move takes somebody's place in line, and it is a part of a path.
#[test]
fn the_load_balancer_logs_no_code_of_a_move() {
    let conf = fs::read_to_string(root().join("deploy/nginx.conf")).unwrap();
    let lines: Vec<&str> = conf.lines().map(str::trim).collect();
    let format = lines.iter().find(|line| line.starts_with("log_format ")).unwrap();
    let variables: Vec<&str> = format.split(['$', ' ', '\'']).collect();
    for whole in ["uri", "request", "request_uri", "args", "http_referer", "http_cookie"] {
        assert!(!variables.contains(&whole), "the access log has ${whole}");
    }
    let map = conf.split("map $uri $logged_path {").nth(1).unwrap().split('}').next().unwrap();
    let patterns: Vec<&str> =
        map.split("\"~*").skip(1).map(|it| it.split('"').next().unwrap()).collect();
    let quiet =
        conf.split("location ~* ").skip(1).find(|it| it.contains("error_log /dev/null crit;"));
    let quiet = quiet.unwrap().split(" {").next().unwrap();
    let with_code: BTreeSet<String> = sources()
        .iter()
        .flat_map(|(_, text)| text.split('"').map(str::to_owned).collect::<Vec<_>>())
        .filter(|path| path.starts_with('/') && path.contains("{code}"))
        .filter(|path| path != "/problems/{code}" && !path.contains('?'))
        .collect();
    assert!(with_code.len() >= 2, "{with_code:?}");
    for path in with_code {
        let path =
            path.replace("{sale}", "boots").replace("{slug}", "boots").replace("{code}", "AbC");
        assert!(patterns.iter().any(|pattern| fits(pattern, &path)), "the access log has {path}");
        assert!(fits(quiet, &path), "the error log has {path}");
    }
    assert!(!patterns.iter().any(|pattern| fits(pattern, "/s/boots")), "the rest is logged");
}

/// Whether a path fits a pattern, in any letters.
fn fits(pattern: &str, path: &str) -> bool {
    use std::io::Write;
    let mut grep = std::process::Command::new("grep");
    grep.args(["-qiE", pattern]).stdin(std::process::Stdio::piped());
    let mut grep = grep.spawn().unwrap();
    writeln!(grep.stdin.take().unwrap(), "{path}").unwrap();
    grep.wait().unwrap().success()
}

/// Every source file of the library.
fn sources() -> Vec<(Module, String)> {
    let mut found = Vec::new();
    for file in files("src", "rs") {
        let below = file.strip_prefix(root()).unwrap();
        let first = below.components().nth(1).unwrap().as_os_str().to_str().unwrap();
        let name = first.trim_end_matches(".rs").to_owned();
        if name != "main" {
            let path = below.to_str().unwrap().to_owned();
            found.push((Module { name, path }, fs::read_to_string(&file).unwrap()));
        }
    }
    assert!(found.len() > 50);
    found
}

/// Paths below `crate::` that a text names; `crate::{a, b}` names both.
fn named_in_crate(text: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => named.push(path(rest)),
            Some(list) => {
                let list = list.split('}').next().unwrap();
                named.extend(list.split(',').map(|item| path(item.trim())));
            }
        }
    }
    named.retain(|name| !name.is_empty());
    named
}

/// The path at the beginning of a text.
fn path(text: &str) -> String {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    text[..end.unwrap_or(text.len())].trim_end_matches(':').to_owned()
}

/// Whether a text names this library, and not one whose name ends the same.
fn names(text: &str, library: &str) -> bool {
    text.match_indices(library)
        .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

/// The names that a header gives to `KEYS` or `ARGV`, in order.
fn documented(header: &[&str], array: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in header {
        let Some(rest) = line.strip_prefix(&format!("-- {array}[")) else { continue };
        let (number, rest) = rest.split_once("] ").unwrap();
        assert_eq!(number.parse::<usize>().unwrap(), found.len() + 1, "{line}");
        found.push(rest.split_whitespace().next().unwrap().to_owned());
    }
    found
}

/// The names that a script gives to `KEYS` or `ARGV` when it unpacks them, in order.
fn unpacked(text: &str, array: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("local ")) {
        let Some((names, values)) = line["local ".len()..].split_once(" = ") else { continue };
        for (name, value) in names.split(", ").zip(values.split(", ")) {
            if value.contains(&format!("{array}[{}]", found.len() + 1)) {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// What a wrapper passes in calls of this method, in order.
fn passed(wrapper: &str, method: &str) -> Vec<String> {
    wrapper
        .match_indices(method)
        .map(|(at, _)| {
            let mut open = 1;
            let rest = &wrapper[at + method.len()..];
            let end = rest
                .find(|c: char| {
                    open += i32::from(c == '(') - i32::from(c == ')');
                    open == 0
                })
                .unwrap();
            rest[..end].to_lowercase()
        })
        .collect()
}

/// Position is the contract between a script and its wrapper: each argument has its name in it.
fn assert_passes(script: &str, passed: &[String], documented: &[String]) {
    assert_eq!(passed.len(), documented.len(), "{script}: passes {passed:?} for {documented:?}");
    for (argument, name) in passed.iter().zip(documented) {
        for part in name.split('_') {
            assert!(argument.contains(part), "{script}: passes {argument:?} for {name}");
        }
    }
}

/// Every file with this extension under `dir`, at any depth.
fn files(dir: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![root().join(dir)]);
    while let Some(dir) = pending.pop() {
        for path in fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
