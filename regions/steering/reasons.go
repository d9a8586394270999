package steering

import "fmt"

// The codes of reasons: a closed list, fit for metric labels. Texts carry no
// distances, so that all places of a cell get the same decision.
const (
	// Why an endpoint is kept.
	CodeNearest      = "nearest"
	CodeNear         = "near"
	CodeBalanced     = "balanced"
	CodeListed       = "listed"
	CodeSecondRegion = "second-region"
	CodeHeld         = "held-by-brake"
	CodeDemoted      = "demoted"
	CodeFailOpen     = "fail-open"
	CodePinned       = "pinned"

	// Why an endpoint is dropped.
	CodeOtherFamily     = "other-family"
	CodeOutsideFence    = "outside-fence"
	CodeEndpointDrained = "endpoint-drained"
	CodeRegionDrained   = "region-drained"
	CodeRegionDown      = "region-down"
	CodeEndpointDown    = "endpoint-down"
	CodeNeedsDown       = "needs-down"
	CodeWaiting         = "waiting" // also why one is kept, where nothing else stands well
	CodeRamping         = "ramping" // the same
	CodeStandbyTier     = "standby-tier"
	CodeBeyondTake      = "beyond-take"

	// Why a decision came out as it did; all-down and its kin also name the
	// policy that applied.
	CodeSteady         = "steady"
	CodeUnsettled      = "unsettled"
	CodeNoState        = "no-state"
	CodeNoService      = "no-such-service"
	CodeNoFamily       = "no-such-family"
	CodeNoneInFence    = "none-in-fence"
	CodeServiceDrained = "service-drained"
	CodeAllDown        = "all-down"
	CodeFenceDown      = "fence-down"
	CodeAllDrained     = "all-drained"
)

func reason(code, format string, args ...any) Reason {
	return Reason{Code: code, Text: fmt.Sprintf(format, args...)}
}
