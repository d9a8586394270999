package main

import "syscall"

// childAttr puts a child into a process group of its own and sends it a signal
// should this process, or rather the thread that started the child, end.
func childAttr(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}
