// Package drill loses a region on purpose, on one machine, and proves what was saved.
//
// It owns the scenario (an application writing under acknowledgement, a loss in mid-write,
// takeover, plan, restore from the mirror alone), the judgement, and the report. It refuses
// to take Lifeboat's word for anything that the application can know by itself: next to the
// state hashes of log and snapshot stand the writers' own records, kept outside the region
// that is lost, which are compared with the restored database row by row.
//
// A drill is proven only if every acknowledged transaction is there and every hash matches;
// anything else is [ErrNotProven]. The seed fixes the data, the writers' choices and the
// plan of the loss; threads and disks decide the rest, so a seed does not repeat a run
// exactly.
//
// The databases are played by an [Engine]; the stores are any blob.Store, by place.
//
//	result, err := drill.Run(ctx, drill.Config{Engine: e, Primary: here, Mirror: there, Lose: drill.Primary, Writers: 8})
package drill
