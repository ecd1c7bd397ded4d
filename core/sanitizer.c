/*
 * sanitizer.c - settings of the sanitizers; only in their builds.
 *
 * They cannot come from the environment: the sandbox and the gofer begin with
 * an empty one.  Reports go to standard error, which is the log's in an
 * isolated process (seccomp_install): no file can be opened there.
 */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);

/*
 * No search for leaks at exit: commands end by leaving their memory to the
 * host, and in the sandbox the filter refuses what the search needs (a clone
 * that traces all other threads).  core/objects.c counts what lives there.
 */
const char *__asan_default_options(void)
{
	return "detect_leaks=0:exitcode=99:handle_abort=1:"
	       "allocator_may_return_null=1";
}

const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1";
}

/* All races of a run, not the first: selftest/run.sh looks into the log. */
const char *__tsan_default_options(void)
{
	return "exitcode=66:detect_deadlocks=0:report_thread_leaks=0:"
	       "history_size=4";
}

/*
 * copy_locked() copies between guest memory and ours.  Two guest threads may
 * write to one address at the same time: that is the guest's own affair, and
 * memcpy() of the frame is as good as the CPU's stores would be.  What lies on
 * our side of the copy is the caller's, and looked at in the caller.
 */
const char *__tsan_default_suppressions(void)
{
	return "race:copy_locked\n";
}
