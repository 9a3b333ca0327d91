// Package incident is what the company's policy says about people when something
// significant has happened: what is recorded, in which order the work goes, and by when.
//
// It owns the words and the pure rules:
//
//   - an [Entry] is one thing that happened, told by one person in one role. The entries of
//     an incident form a numbered, signed chain; package record keeps it.
//   - [Policy.Permit] says whether an entry may be added now. It stands in the way only where
//     the policy demands it: nobody starts to recover without an approved plan or broken
//     glass, no customer message goes out unapproved, and nothing is closed half done. Facts
//     (the service is back, the outage began earlier) are never refused.
//   - [Policy.Apply] folds an entry into the [State]. It never fails, so an incident can
//     always be read, whatever somebody wrote into it.
//   - [Settings] measure: the outage against 8 h, the year against 99.95 %, and every other
//     term; [Due] lists what is due and what is overdue.
//   - [PersonalData] finds what must not be in a message.
//
// It knows no store, no network and no clock: the caller brings the time. All times are UTC;
// where the policy speaks of days, months and years, they are those of Settings.Location.
//
// Invariants: Apply of the same entries gives the same State everywhere; no clock ever runs
// backwards as time goes on; the outage clock and the year's ledger are always shown
// together, because one full outage of 8 h already exceeds the whole year's allowance.
package incident
