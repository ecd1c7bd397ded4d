/* script.c - "#!" lines.  execve(2); Linux: fs/binfmt_script.c */
#include <errno.h>
#include <string.h>

#include "kernel/loader/loader.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The end of the line inside the buffer; NULL: it was cut inside the name. */
static char *line_end(char *head)
{
	char *end = head + EXEC_HEAD, *nl = memchr(head, '\n', EXEC_HEAD), *p;

	if (nl)
		return nl;
	p = head + 2;
	while (p < end && blank(*p))
		p++;
	while (p < end && *p && !blank(*p))
		p++;
	return p < end ? end - 1 : NULL;
}

int script_parse(char *head, char **name, char **arg)
{
	char *end, *p;

	if (head[0] != '#' || head[1] != '!')
		return -ENOEXEC;
	end = line_end(head);
	if (!end)
		return -ENOEXEC;
	while (end > head + 2 && blank(end[-1]))
		end--;
	*end = 0;
	p = head + 2;
	while (blank(*p))
		p++;
	if (!*p)
		return -ENOEXEC;
	*name = p;
	while (*p && !blank(*p))
		p++;
	while (blank(*p))
		*p++ = 0;
	*arg = *p ? p : NULL;
	return 0;
}
