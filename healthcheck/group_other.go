//go:build !unix

package healthcheck

import "os/exec"

// inOwnGroup does nothing where there are no process groups: the program alone
// is killed when its context ends.
func inOwnGroup(*exec.Cmd) {}

func endGroup(*exec.Cmd) {}
