package main

import "syscall"

// childAttr puts a child into a process group of its own and ends it should
// the demo itself be killed.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
