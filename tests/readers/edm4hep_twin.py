"""Slow twin of the links of EDM4hep."""


def slow_tracks(event):
    """(state, particle) of the tracks of each jet of one event, by loops over jets, particles and links."""
    begin, end = event["ReconstructedParticles.tracks_begin"], event["ReconstructedParticles.tracks_end"]
    of_jets = []
    for first, last in zip(event["Jet.particles_begin"], event["Jet.particles_end"]):
        members = event["Jet#2.index"][first:last]
        tracked = [particle for particle in members if end[particle] > begin[particle]]
        tracks = [event["ReconstructedParticles#1.index"][begin[particle]] for particle in tracked]
        of_jets.append([(event["EFlowTrack.trackStates_begin"][t], p) for t, p in zip(tracks, tracked)])
    return of_jets
