/*
 * net.c - /proc/PID/net.
 *
 * GAP: tables have their headers only; sockets, routes and interfaces other
 * than lo are not listed.
 */
#include "kernel/fs/proc/proc.h"

static int show_dev(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out,
		"Inter-|   Receive                                       "
		"         |  Transmit\n face |bytes    packets errs drop fifo "
		"frame compressed multicast|bytes    packets errs drop fifo "
		"colls carrier compressed\n"
		"    lo:       0       0    0    0    0     0          0"
		"         0        0       0    0    0    0     0       0"
		"          0\n");
	return 0;
}

static int show_tcp(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%-149s\n",
		"  sl  local_address rem_address   st "
		"tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode");
	return 0;
}

static int show_tcp6(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out,
		"  sl  local_address                         "
		"remote_address                        st tx_queue rx_queue "
		"tr tm->when retrnsmt   uid  timeout inode\n");
	return 0;
}

static int show_udp(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%-127s\n",
		"   sl  local_address rem_address   st "
		"tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode "
		"ref pointer drops");
	return 0;
}

static int show_udp6(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out,
		"  sl  local_address                         "
		"remote_address                        st tx_queue rx_queue "
		"tr tm->when retrnsmt   uid  timeout inode ref pointer "
		"drops\n");
	return 0;
}

static int show_unix(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "Num       RefCount Protocol Flags    Type St Inode "
		     "Path\n");
	return 0;
}

static int show_route(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%-127s\n",
		"Iface\tDestination\tGateway \tFlags\t"
		"RefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
	return 0;
}

static int show_arp(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "IP address       HW type     Flags       HW address   "
		     "         Mask     Device\n");
	return 0;
}

static int show_netlink(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "sk               Eth Pid        Groups   Rmem     "
		     "Wmem     Dump  Locks    Drops    Inode\n");
	return 0;
}

static int show_packet(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "sk               RefCnt Type Proto  Iface R Rmem   "
		     "User   Inode\n");
	return 0;
}

static int show_protocols(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out,
		"protocol  size sockets  memory press maxhdr  slab "
		"module     cl co di ac io in de sh ss gs se re sp bi br ha "
		"uh gp em\n");
	return 0;
}

static int show_sockstat(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out,
		"sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 "
		"mem 0\nUDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\n"
		"FRAG: inuse 0 memory 0\n");
	return 0;
}

static int show_snmp(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "Ip: Forwarding DefaultTTL\nIp: 2 64\n"
		     "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn\n"
		     "Tcp: 1 200 120000 -1\n"
		     "Udp: InDatagrams NoPorts InErrors OutDatagrams\n"
		     "Udp: 0 0 0 0\n");
	return 0;
}

static int show_if_inet6(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "00000000000000000000000000000001 01 80 10 80       "
		     "lo\n");
	return 0;
}

static int show_psched(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "000003e8 00000040 000f4240 3b9aca00\n");
	return 0;
}

const struct proc_node proc_net[] = {
	PROC_FILE("arp", show_arp),
	PROC_FILE("dev", show_dev),
	PROC_FILE("if_inet6", show_if_inet6),
	PROC_FILE("ipv6_route", proc_show_nothing),
	PROC_FILE("netlink", show_netlink),
	PROC_FILE("packet", show_packet),
	PROC_FILE("protocols", show_protocols),
	PROC_FILE("psched", show_psched),
	PROC_FILE("ptype", proc_show_nothing),
	PROC_FILE("raw", show_udp),
	PROC_FILE("route", show_route),
	PROC_FILE("snmp", show_snmp),
	PROC_FILE("sockstat", show_sockstat),
	PROC_FILE("tcp", show_tcp),
	PROC_FILE("tcp6", show_tcp6),
	PROC_FILE("udp", show_udp),
	PROC_FILE("udp6", show_udp6),
	PROC_FILE("unix", show_unix),
	{ .name = NULL },
};
