// Package clustertest is a cluster for tests: the real API server and the real job
// controller, which tools/kubernetes builds, and a kubelet of its own that runs the pods'
// commands as processes of this machine. What a pod does is real; that it is in a container
// is not.
package clustertest
