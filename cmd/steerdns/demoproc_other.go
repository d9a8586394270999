//go:build !linux

package main

import "syscall"

// childAttr puts a child into a process group of its own.
func childAttr(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
