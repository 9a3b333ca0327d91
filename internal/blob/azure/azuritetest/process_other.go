//go:build !linux

package azuritetest

import "syscall"

// dieWithParent is only to be had on Linux: elsewhere a killed test leaves its servers.
func dieWithParent() *syscall.SysProcAttr { return nil }
