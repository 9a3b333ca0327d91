package budget

// line is seconds = fixed + slope × units.
type line struct{ fixed, slope float64 }

func (l line) at(units float64) float64 { return l.fixed + l.slope*units }

type point struct{ units, seconds float64 }

// spread is how far apart sizes have to be before a fixed cost can be told from a rate.
const spread = 2

// fit is the line through the points that is least wrong by share: an error of 10 % counts
// the same whatever the size. Neither part may be negative. With points of one size the
// fixed cost is the preset's, or what was measured if that is less; without any, the preset
// is all there is.
func fit(points []point, preset line) line {
	var usable []point
	for _, p := range points {
		if p.units > 0 && p.seconds > 0 {
			usable = append(usable, p)
		}
	}
	if len(usable) == 0 {
		if len(points) > 0 { // nothing was there to be done, and it took no time worth noting
			return line{points[0].seconds, preset.slope}
		}
		return preset
	}
	least, most := usable[0].units, usable[0].units
	for _, p := range usable {
		least, most = min(least, p.units), max(most, p.units)
	}
	if most < spread*least {
		return through(usable, preset.fixed)
	}
	// Weighted least squares with weights 1/seconds².
	var w, wx, wxx, wy, wxy float64
	for _, p := range usable {
		weight := 1 / (p.seconds * p.seconds)
		w, wx, wxx = w+weight, wx+weight*p.units, wxx+weight*p.units*p.units
		wy, wxy = wy+weight*p.seconds, wxy+weight*p.units*p.seconds
	}
	det := w*wxx - wx*wx
	slope := (w*wxy - wx*wy) / det
	fixed := (wy - slope*wx) / w
	switch {
	case fixed < 0:
		return through(usable, 0)
	case slope < 0:
		return line{fixed: wy / w}
	}
	return line{fixed, slope}
}

// through is the mean rate above a fixed cost.
func through(points []point, fixed float64) line {
	var sum float64
	for _, p := range points {
		fixed = min(fixed, p.seconds/2) // a part cannot be all fixed cost and do work
	}
	for _, p := range points {
		sum += (p.seconds - fixed) / p.units
	}
	return line{fixed, sum / float64(len(points))}
}
