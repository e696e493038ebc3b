//! Tests that pass at some attempt.

#[cfg(test)]
mod tests {
    use std::env;

    fn attempt() -> u32 {
        env::var("NEXTEST_ATTEMPT").unwrap().parse().unwrap()
    }

    fn pass_from(first: u32) {
        println!("attempt {}", attempt());
        assert!(attempt() >= first, "too early");
    }

    #[test]
    fn passes_at_once() {
        pass_from(1);
    }

    #[test]
    fn passes_at_the_second_attempt() {
        pass_from(2);
    }

    #[test]
    fn passes_at_the_third_attempt() {
        pass_from(3);
    }

    #[test]
    fn never_passes() {
        pass_from(u32::MAX);
    }

    #[test]
    fn shows_its_variables() {
        for name in ["NEXTEST_ATTEMPT", "NEXTEST_TOTAL_ATTEMPTS", "NEXTEST_ATTEMPT_ID"] {
            println!("{name}={}", env::var(name).unwrap());
        }
        pass_from(2);
    }

    #[test]
    fn needs_a_program_of_this_machine() {
        let git = std::process::Command::new("git").arg("--version").output();
        assert!(git.expect("git is found").status.success());
    }
}
