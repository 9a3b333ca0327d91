package azuritetest

import "syscall"

// dieWithParent keeps a killed test from leaving its servers behind.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
