//! Reading the format of lcov, as `llvm-cov export --format=lcov` writes it.

use std::collections::BTreeMap;

/// A source file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRecord {
    pub path: String,
    pub functions: Vec<FunctionRecord>,
    /// How often each line ran.
    pub lines: BTreeMap<u32, u64>,
}

/// A function, or one of its instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRecord {
    /// As the linker knows it.
    pub symbol: String,
    pub line: u32,
    pub calls: u64,
}

/// The files of a report. Lines that are not known are skipped.
pub fn parse(text: &str) -> Vec<FileRecord> {
    let mut files = Vec::new();
    let mut file = FileRecord::default();
    for line in text.lines() {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let fields = || {
            let (first, second) = value.split_once(',')?;
            Some((first, second))
        };
        match key {
            "SF" => value.clone_into(&mut file.path),
            "FN" => {
                if let Some((line, symbol)) = fields()
                    && let Ok(line) = line.parse()
                {
                    file.functions.push(FunctionRecord {
                        symbol: symbol.to_owned(),
                        line,
                        calls: 0,
                    });
                }
            }
            "FNDA" => {
                if let Some((calls, symbol)) = fields()
                    && let Ok(calls) = calls.parse::<u64>()
                {
                    let functions = file.functions.iter_mut();
                    let called = functions.filter(|function| function.symbol == symbol);
                    called.for_each(|function| function.calls = calls);
                }
            }
            "DA" => {
                if let Some((line, count)) = fields()
                    && let (Ok(line), Ok(count)) = (line.parse(), count.parse())
                {
                    file.lines.insert(line, count);
                }
            }
            "end_of_record" => files.push(std::mem::take(&mut file)),
            _ => {}
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_lines_have_their_counts() {
        let text = "SF:/ws/src/lib.rs\nFN:2,_Ra\nFN:7,_Rb,c\nFNDA:3,_Ra\nFNDA:0,_Rb,c\nFNF:2\nFNH:1\n\
                    DA:2,3\nDA:3,0\nBRF:0\nLF:2\nLH:1\nend_of_record\nSF:/b\nDA:1,x\nend_of_record\n";
        let files = parse(text);
        let function = |symbol: &str, line, calls| FunctionRecord {
            symbol: symbol.to_owned(),
            line,
            calls,
        };
        assert_eq!(files[0].path, "/ws/src/lib.rs");
        let functions = [function("_Ra", 2, 3), function("_Rb,c", 7, 0)];
        assert_eq!(files[0].functions, functions);
        assert_eq!(files[0].lines, BTreeMap::from([(2, 3), (3, 0)]));
        assert_eq!(files[1].path, "/b");
        assert!(files[1].lines.is_empty());
    }
}
