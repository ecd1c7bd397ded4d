/* spec.c - config.json and global flags: what is read, and how mistakes are
 * named. */
#include "applets/oci/spec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "applets/config.h"
#include "selftest/unit/unit.h"

#define HEAD "{\"ociVersion\":\"1.0.2\",\n\"root\":{\"path\":\"rootfs\"},\n"
#define PROC "\"process\":{\"args\":[\"a\"]}"

static struct spec spec;
static struct err err;

static bool parse(const char *text)
{
	return !spec_parse(&spec, text, strlen(text), "/b", &err);
}

static bool says(const char *text, const char *what)
{
	return !parse(text) && strstr(err.msg, what);
}

TEST(spec, defaults)
{
	CHECK(parse(HEAD PROC "}"));
	CHECK(!strcmp(spec.root, "/b/rootfs"));
	CHECK(!strcmp(spec.process.cwd, "/"));
	CHECK(!spec.process.env[0]);
	CHECK(!spec.cgroups_path && !spec.masked && !spec.nmounts);
	spec_fini(&spec);
}

TEST(spec, mount_options)
{
	CHECK(parse(HEAD PROC ",\"mounts\":[{\"destination\":\"/m\",\"type\":"
			      "\"tmpfs\",\"options\":[\"nosuid\",\"size=1\","
			      "\"ro\",\"rw\",\"mode=7\"]},{\"destination\":"
			      "\"/n\",\"source\":\"/s\",\"options\":"
			      "[\"rbind\",\"ro\"]}]}"));
	CHECK(spec.nmounts == 2);
	CHECK(spec.mounts[0].flags == MS_NOSUID);
	CHECK(!strcmp(spec.mounts[0].data, "size=1,mode=7"));
	CHECK(spec.mounts[1].bind && !strcmp(spec.mounts[1].type, "bind"));
	CHECK(spec.mounts[1].flags == MS_RDONLY && !spec.mounts[1].data);
	spec_fini(&spec);
}

TEST(spec, names_line_and_field)
{
	CHECK(says(HEAD "\"process\":{\"args\":[\"a\"],\n\"cwd\":7}}",
		"line 4: process.cwd: must be a string"));
	CHECK(says(
		HEAD "\"process\":{\n\"args\":[]}}", "line 4: process.args"));
	CHECK(says(HEAD PROC
		",\n\"linux\":{\"namespaces\":[{\"type\":\"x\"}]}}",
		"line 4: linux.namespaces[0].type"));
	CHECK(says("{\"ociVersion\":\"2.0\"}", "version 2.0 is not supported"));
	CHECK(says(HEAD "\"a\":1}", "process: missing"));
	CHECK(says("[]", "must be an object"));
	CHECK(says("{\n,", "config.json: line 2"));
}

TEST(spec, rlimits)
{
	CHECK(parse(HEAD "\"process\":{\"args\":[\"a\"],\"rlimits\":[{\"type\":"
			 "\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":"
			 "18446744073709551615}]}}"));
	CHECK(spec.process.rlimits[0].resource == RLIMIT_NOFILE);
	CHECK(spec.process.rlimits[0].hard == RLIM_INFINITY);
	spec_fini(&spec);
}

TEST(config, flags_round_trip)
{
	const char *argv[] = { "runsc", "--debug", "-strace-log-size", "7",
		"--log-format=json", "--file-access=shared", "cmd", NULL };
	struct config c, d;
	char *args[64];
	size_t n;

	config_init(&c);
	CHECK(config_parse(&c, 7, (char **)(uintptr_t)argv, &err) == 6);
	CHECK(c.debug && c.strace_log_size == 7 && c.log_format == 1);
	n = config_args(&c, args, 64);
	config_init(&d);
	for (size_t i = 0; i < n; i++)
		CHECK(!config_apply(&d, args[i], &err));
	CHECK(d.debug && d.strace_log_size == 7);
	CHECK(d.file_access == FILE_SHARED);
	CHECK(d.log_format == 0); /* belongs to the call, not the container */
	for (size_t i = 0; i < n; i++)
		free(args[i]);
}

TEST(config, what_is_not_done_is_refused_by_name)
{
	struct config c;

	config_init(&c);
	CHECK(!config_check(&c, false, &err));
	CHECK(!config_apply(&c, "--directfs=true", &err));
	CHECK(config_check(&c, false, &err) && strstr(err.msg, "--directfs"));
	config_init(&c);
	CHECK(!config_apply(&c, "--nvproxy=true", &err));
	CHECK(!config_check(&c, false, &err));
	CHECK(config_apply(&c, "--nonsense=1", &err));
}
