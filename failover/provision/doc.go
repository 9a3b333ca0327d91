// Package provision brings the stack of a failover or a drill up and down through the
// Pulumi Automation API: the same program as a plain `pulumi up` runs, in this process,
// with the state in a backend of the region that takes over.
//
// A [Stack] has phases, each an update of its own: the region stands empty, the
// application is deployed, traffic comes. [Stack.At] asks the backend's history what the
// last update that succeeded was given, so it is true for whoever asks, on any machine.
// Updates may be cut off and repeated: the engine's state says what is there already, and
// its lock keeps two apart. A lock that a dead machine left is broken only on request. What
// the cloud was making when a machine died or an answer was lost is looked up and taken
// into the state before anything else is done.
//
// [Stack.Destroy] removes everything, the stack's own state too, and reports what is left
// in the cloud. Nothing here decides; the run's journal and the plan do.
//
//	s, err := provision.New(provision.Config{Settings: base, Run: settings.FailoverRun{ID: "f1"}, Backend: url})
//	defer s.Close()
//	out, err := s.Up(ctx, provision.Phase{Deploy: true}, say)
package provision
