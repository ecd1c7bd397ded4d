/* syslog.c - syslog(2), acct(2), swapon(2): what belongs to the machine. */
#include <sys/klog.h>
#include <sys/swap.h>
#include <unistd.h>

#include "selftest/test.h"

TEST(syslog, bad_arguments)
{
	char buf[8];

	SEE(klogctl(2, NULL, 8));
	SEE(klogctl(2, buf, -1));
	SEE(klogctl(3, NULL, 8));
	SEE(klogctl(3, buf, -1));
	SEE(klogctl(3, buf, 0));
	SEE(klogctl(8, NULL, 0));
	SEE(klogctl(8, NULL, 9));
	SEE(klogctl(11, NULL, 0));
	SEE(klogctl(-1, NULL, 0));
}

TEST(syslog, not_for_everybody)
{
	setresuid(77777, 77777, 77777);
	SEE(klogctl(5, NULL, 0));
	SEE(acct(NULL));
	SEE(acct("/dev/null"));
	SEE(swapon("/dev/null", 0));
	SEE(swapoff("/dev/null"));
}
