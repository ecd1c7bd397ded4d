/* unix.h - Unix domain sockets. */
#pragma once

struct inode;
struct socket_family;

extern const struct socket_family unix_family;
void unix_init(void);			/* once, before the first task */
