// Package cluster runs verbs of this very command inside the network of the region that
// takes over, as Kubernetes Jobs: a database with nothing but a private endpoint is out of
// reach of the operator's machine.
//
// A [Task] is one verb. Its Jobs have names made from the run and the task, and a number
// that counts attempts; they are only ever created, so of two operators who ask at once one
// creates and both follow, and who asks again after a crash finds what is there: a Job that
// is at work is followed, one that is complete is believed, and only after one that failed,
// or whose proof is gone, comes the next number. An answer that was lost is resolved by
// reading back. A Job that carries the name and was made for something else is refused.
//
// Nothing is believed because a Job says so. A restore's pod leaves a [restore.Proof] as its
// termination message; it is compared with what the log in the mirror's store demands, which
// this side reads for itself.
//
// Which exit codes no repetition can change is the caller's to say: they end the Job at once
// (podFailurePolicy), others are tried again by the cluster, and pods that the cluster itself
// took away do not count. What the pods see is one ConfigMap with a lifeboat.yaml, named by
// its content; there is no secret in it, they sign in as their service account.
//
// Watching is client-go's informers, which list again when a watch breaks. The tests run
// against client-go's fake, and in cmd/lifeboat against a real API server with the real job
// controller, whose pods are run by a kubelet of the tests' own.
package cluster
