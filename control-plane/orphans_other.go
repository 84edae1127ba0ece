//go:build !linux

package main

import "syscall"

// dieWithParent has no counterpart here; a killed fake kubelet's commands end with their pipes.
func dieWithParent(*syscall.SysProcAttr) {}
