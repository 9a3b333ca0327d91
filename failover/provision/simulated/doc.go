// Package simulated plays the region that takes over: the real Pulumi engine brings real
// stacks of the project's program up, against the stand-in cloud in this process.
//
// It proves that the program, the engine and the Automation API make a whole region beside
// a standing mirror, and that the teardown leaves nothing of it. It proves nothing about
// Azure's own times. Everything is gone when the Cloud is closed.
//
//	cloud, err := simulated.New(simulated.Config{Settings: s, ID: "d1", Dir: dir})
//	defer cloud.Close()
//	err = cloud.Stand(ctx)
//	n, err := cloud.Up(ctx)
//	left, err := cloud.Down(ctx)
package simulated
