//! Numbers, durations and sizes as text for people.

use std::fmt;
use std::time::Duration;

/// A number with separators: `1,234,567`.
#[derive(Clone, Copy, Debug)]
pub struct Thousands(pub u64);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
        for (position, digit) in digits.chars().enumerate() {
            if position > 0 && (digits.len() - position).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad_integral(true, "", &text)
    }
}

/// A number with a noun: the number, the singular and the plural.
#[derive(Clone, Copy, Debug)]
pub struct Count(pub u64, pub &'static str, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, one, several) = *self;
        let word = if count == 1 { one } else { several };
        write!(f, "{} {word}", Thousands(count))
    }
}

/// A duration: `0.12s`, `12.3s`, `2m 05s`, `1h 02m 05s`.
#[derive(Clone, Copy, Debug)]
pub struct Elapsed(pub Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let text = match seconds {
            0..10 => format!("{:.2}s", self.0.as_secs_f64()),
            10..60 => format!("{:.1}s", self.0.as_secs_f64()),
            60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
            _ => format!(
                "{}h {:02}m {:02}s",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            ),
        };
        f.pad(&text)
    }
}

/// A size in bytes: `640 B`, `12.3 KiB`, `1.5 GiB`.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut units = ["KiB", "MiB", "GiB"].into_iter();
        let mut unit = units.next().unwrap_or_default();
        for larger in units {
            if value < 1024.0 {
                break;
            }
            value /= 1024.0;
            unit = larger;
        }
        write!(f, "{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_and_padded() {
        assert_eq!(Thousands(0).to_string(), "0");
        assert_eq!(Thousands(999).to_string(), "999");
        assert_eq!(Thousands(1000).to_string(), "1,000");
        assert_eq!(format!("{:>9}", Thousands(12_345)), "   12,345");
        assert_eq!(
            Thousands(u64::MAX).to_string(),
            "18,446,744,073,709,551,615"
        );
    }

    #[test]
    fn longer_times_have_fewer_digits() {
        let text = |millis| Elapsed(Duration::from_millis(millis)).to_string();
        assert_eq!(text(5), "0.01s");
        assert_eq!(text(5012), "5.01s");
        assert_eq!(text(12_340), "12.3s");
        assert_eq!(text(125_000), "2m 05s");
        assert_eq!(text(3_725_000), "1h 02m 05s");
    }

    #[test]
    fn sizes_use_the_largest_unit_that_fits() {
        assert_eq!(Bytes(640).to_string(), "640 B");
        assert_eq!(Bytes(12_595).to_string(), "12.3 KiB");
        assert_eq!(Bytes(3 << 29).to_string(), "1.5 GiB");
        assert_eq!(Bytes(1 << 50).to_string(), "1048576.0 GiB");
    }
}
