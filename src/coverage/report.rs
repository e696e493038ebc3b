//! Reports: `llvm-cov` with the merged profile and everything that was built.

use super::cobertura;
use super::lcov;
use super::reported::ReportedFiles;
use crate::config::Choice;
use crate::process::replace_file;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;
use strum::{IntoStaticStr, VariantArray};

/// The format of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum CoverageFormat {
    /// A table of the files.
    #[default]
    Summary,
    Lcov,
    /// A directory of pages.
    Html,
    /// The format of `llvm-cov export`.
    Json,
    Cobertura,
}

impl Choice for CoverageFormat {}

/// What is covered, of all reported files together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct CoverageTotals {
    pub lines: Counted,
    pub regions: Counted,
    pub functions: Counted,
}

/// How much of something is covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Counted {
    pub count: u64,
    pub covered: u64,
}

impl Counted {
    /// Without anything to be covered, nothing is missing.
    pub fn percent(self) -> f64 {
        if self.count == 0 {
            return 100.0;
        }
        self.covered as f64 * 100.0 / self.count as f64
    }
}

/// A report that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageReport {
    pub totals: CoverageTotals,
    /// The report, if it was not written to a file.
    pub text: Option<Vec<u8>>,
    /// The file that it was written to, or the first page.
    pub file: Option<Utf8PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum CoverageReportError {
    #[error("failed to start {program}, which makes the report of coverage")]
    Start { program: PathBuf, source: io::Error },
    #[error("failed to make the report of coverage: {program} says:\n{message}")]
    Failed { program: PathBuf, message: String },
    #[error("failed to make the report of coverage: the output of {program} has another form")]
    Form {
        program: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "there is nothing to report: no code of the selected packages was instrumented, apart from \
         tests, examples and benchmarks"
    )]
    Nothing,
    #[error("failed to write {path}")]
    Write { path: PathBuf, source: io::Error },
}

/// What reports are made of.
#[derive(Clone, Debug)]
pub struct CoverageSources {
    /// `llvm-cov`.
    pub program: PathBuf,
    /// The merged profile.
    pub profile: PathBuf,
    /// The executables and shared libraries that were built.
    pub objects: Vec<Utf8PathBuf>,
    pub files: ReportedFiles,
    /// The root of the workspace.
    pub root: Utf8PathBuf,
    /// A directory of this run for files with arguments.
    pub scratch: PathBuf,
    /// The directory for pages, if no other is named.
    pub pages: Utf8PathBuf,
}

/// The used parts of the summary in JSON.
#[derive(Deserialize)]
struct Export<T> {
    data: [T; 1],
}

#[derive(Deserialize)]
struct ExportedFiles {
    files: Vec<ExportedFile>,
}

#[derive(Deserialize)]
struct ExportedFile {
    filename: String,
}

#[derive(Deserialize)]
struct ExportedTotals {
    totals: CoverageTotals,
}

impl CoverageSources {
    /// Makes a report. `place`: the file or, for pages, the directory to write. `None`: the report is
    /// returned. Blocks.
    pub fn report(
        &self,
        format: CoverageFormat,
        place: Option<&Utf8Path>,
    ) -> Result<CoverageReport, CoverageReportError> {
        let summary = ["export", "-format=text", "-summary-only"];
        let export: Export<ExportedFiles> = self.parse(&self.run(&summary, &[])?)?;
        let [ExportedFiles { files }] = export.data;
        let names = files.into_iter().map(|file| file.filename);
        let names: Vec<String> = names
            .filter(|name| self.files.contain(name.as_str().into()))
            .collect();
        if names.is_empty() {
            return Err(CoverageReportError::Nothing);
        }
        let export: Export<ExportedTotals> = self.parse(&self.run(&summary, &names)?)?;
        let [ExportedTotals { totals }] = export.data;
        let made = |text, file| CoverageReport { totals, text, file };
        let text = match format {
            CoverageFormat::Summary => self.run(&["report"], &names)?,
            CoverageFormat::Lcov => self.run(&["export", "-format=lcov"], &names)?,
            CoverageFormat::Json => self.run(&["export", "-format=text"], &names)?,
            CoverageFormat::Html => {
                let first = self.write_pages(place.unwrap_or(&self.pages), &names)?;
                return Ok(made(None, Some(first)));
            }
            CoverageFormat::Cobertura => {
                let text = self.run(&["export", "-format=lcov"], &names)?;
                let files = lcov::parse(&String::from_utf8_lossy(&text));
                let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
                cobertura::document(&files, &self.root, now.as_millis()).map_err(|source| {
                    CoverageReportError::Write {
                        path: "the report".into(),
                        source,
                    }
                })?
            }
        };
        let Some(place) = place else {
            return Ok(made(Some(text), None));
        };
        write(place, &text)?;
        Ok(made(None, Some(place.to_owned())))
    }

    /// Writes pages to a directory, and returns the first one.
    fn write_pages(
        &self,
        directory: &Utf8Path,
        names: &[String],
    ) -> Result<Utf8PathBuf, CoverageReportError> {
        let output = format!("-output-dir={directory}");
        let arguments = [
            "show",
            "-format=html",
            &output,
            // A line has one count, however often generic code is compiled.
            "-show-instantiations=false",
            "-show-line-counts-or-regions",
            "-show-expansions",
        ];
        self.run(&arguments, names)?;
        Ok(directory.join("index.html"))
    }

    /// Runs `llvm-cov`, for these source files. Returns its output.
    fn run(&self, arguments: &[&str], names: &[String]) -> Result<Vec<u8>, CoverageReportError> {
        let mut words = vec![format!("-instr-profile={}", self.profile.display())];
        for object in &self.objects {
            words.extend(["-object".to_owned(), object.to_string()]);
        }
        if !names.is_empty() {
            words.push("-sources".to_owned());
            words.extend(names.iter().cloned());
        }
        // A command line might be too long for the kernel.
        let file = self.scratch.join("arguments");
        let lines: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        fs::write(&file, lines.join("\n")).map_err(|source| CoverageReportError::Write {
            path: file.clone(),
            source,
        })?;
        let output = Command::new(&self.program)
            .args(arguments)
            .arg(format!("@{}", file.display()))
            .stdin(Stdio::null())
            .output()
            .map_err(|source| CoverageReportError::Start {
                program: self.program.clone(),
                source,
            })?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let message = String::from_utf8_lossy(&output.stderr);
        Err(CoverageReportError::Failed {
            program: self.program.clone(),
            message: message.trim_end().to_owned(),
        })
    }

    fn parse<'a, T: Deserialize<'a>>(&self, text: &'a [u8]) -> Result<T, CoverageReportError> {
        serde_json::from_slice(text).map_err(|source| CoverageReportError::Form {
            program: self.program.clone(),
            source,
        })
    }
}

/// A word as LLVM reads it in a file with arguments.
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

fn write(path: &Utf8Path, content: &[u8]) -> Result<(), CoverageReportError> {
    let directory = path.parent().map(Utf8Path::as_std_path);
    let written = fs::create_dir_all(directory.unwrap_or(Path::new(".")))
        .and_then(|()| replace_file(path.as_std_path(), content));
    written.map_err(|source| CoverageReportError::Write {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_llvm_is_understood() {
        let text = r#"{"data": [{"files": [{"filename": "/a.rs", "summary": {}}], "totals": {
            "branches": {"count": 0, "covered": 0, "notcovered": 0, "percent": 0},
            "lines": {"count": 16, "covered": 7, "percent": 43.75},
            "regions": {"count": 20, "covered": 11, "notcovered": 9, "percent": 55},
            "functions": {"count": 5, "covered": 3, "percent": 60}}}],
            "type": "llvm.coverage.json.export", "version": "3.1.0"}"#;
        let Export { data: [files] } = serde_json::from_str::<Export<ExportedFiles>>(text).unwrap();
        assert_eq!(files.files[0].filename, "/a.rs");
        let totals: Export<ExportedTotals> = serde_json::from_str(text).unwrap();
        let totals = totals.data[0].totals;
        assert_eq!(format!("{}", totals.lines.percent()), "43.75");
        assert_eq!((totals.regions.count, totals.functions.covered), (20, 3));
        assert_eq!(format!("{}", Counted::default().percent()), "100");
    }

    #[test]
    fn words_are_quoted_for_llvm() {
        assert_eq!(quoted(r#"/a b/"c"\d"#), r#""/a b/\"c\"\\d""#);
    }
}
