// Package budget forecasts how long the steps of a run take, from what earlier runs took.
//
// It owns the [Observation]: what one restore or run did and how long each of its parts
// took, kept as create-only objects budget/<Unix milliseconds> in the DR store, and the
// [Model] that is fitted to them. Every part of a restore has a shape: what it costs at all,
// for each row, for each byte, and more beyond the processor's cache, as presets that were
// measured for its engine. What runs took stretches what is fixed and what grows with the
// work, each by one factor, so one run of any size calibrates all sizes, and further runs
// of other sizes tell the two factors apart. Errors count by their share: a small restore
// weighs as much as a large one.
//
// What was not measured is taken from presets and says so in each forecast's basis. Rates
// of a database belong to its kind and SKU: a restore into SQLite says nothing about one
// into Azure SQL, whose log-rate governor is the limit there ([LogRate]). [Propose] picks
// the SKU for the restore alone from that limit.
//
//	_ = budget.Observe(ctx, dr, observation)          // after every run; durable
//	seen, err := budget.Observations(ctx, dr)
//	model := budget.Fit(seen)
//	steps := model.Forecast(budget.Job{Kind: failover.Failover, Work: budget.WorkOf(plan), …})
package budget
