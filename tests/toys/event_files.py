"""Small events in the files of the tracking dialects, written by hand."""

import gzip
import json

import numpy as np

# One particle (id beyond 2^53) through three barrel layers, one at negative z through two discs, and noise.
BIG, OTHER = 864691128455135233, 7
TRACKML = {
    "hits": [
        "hit_id,x,y,z,volume_id,layer_id,module_id",
        "4,116.0,0.5,30.0,8,6,12",
        "2,32.0,0.1,10.0,8,2,10",
        "9,1.0,50.0,-702.5,7,12,3",
        "5,0.0,72.0,0.0,8,4,1",
        "3,72.0,0.2,20.0,8,4,11",
        "8,1.0,40.0,-602.5,7,14,2",
    ],
    "cells": ["hit_id,ch0,ch1,value", "2,1,1,0.25", "3,1,1,0.5", "2,1,2,0.5", "9,4,4,1.0"],
    "truth": [
        "hit_id,particle_id,tx,ty,tz,tpx,tpy,tpz,weight",
        f"2,{BIG},0,0,0,0,0,0,0.25",
        f"3,{BIG},0,0,0,0,0,0,0.125",
        f"4,{BIG},0,0,0,0,0,0,0.125",
        "5,0,0,0,0,0,0,0,0",
        f"8,{OTHER},0,0,0,0,0,0,0.25",
        f"9,{OTHER},0,0,0,0,0,0,0.25",
    ],
    "particles": [
        "particle_id,particle_type,vx,vy,vz,px,py,pz,q,nhits",
        f"{OTHER},-211,0.1,0.2,5.0,0.1,1.0,-17.0,-1,2",
        f"{BIG},13,0,0,-1.5,1.5,0.01,0.5,-1,3",
    ],
}
# Written by pyacts 48.1: smeared hits of the generic detector, shortened.
ACTS = {
    "hits": [
        "particle_id_pv,particle_id_sv,particle_id_part,particle_id_gen,particle_id_subpart,geometry_id,tx,ty,tz,tt,index",
        "1,0,3,0,0,576460889742401792,-30.5905552,-9.26555824,-9.88186646,33.4,0",
        "2,0,1,0,0,576460889742403584,31.7914791,-3.43560815,-7.86676645,33.3,0",
        "1,0,3,0,0,936748859932117248,-77.0843506,244.229813,-71.3464203,266.6,5",
    ],
    "measurements": [
        "measurement_id,geometry_id,local_key,local0,local1,time,var_local0,global_x,global_y,global_z",
        "0,576460889742401792,,3.15116858,25.1111107,0,0.000208333338,-30.5903034,-9.26625824,-9.88888931",
        "1,576460889742403584,,2.87578678,27.1260586,0,0.000208333338,31.7922897,-3.42044067,-7.8739419",
        "2,936748859932117248,,2.05927396,26.1035919,0,0.000208333338,-77.1,244.2,-71.3",
        "3,576460889742403584,,2.05927396,26.1035919,0,0.000208333338,31.7,-3.4,-7.0",
    ],
    "measurement-simhit-map": ["measurement_id,hit_id", "0,0", "1,1", "1,0", "2,2"],
    "particles_simulated": [
        "particle_id_pv,particle_id_sv,particle_id_part,particle_id_gen,particle_id_subpart,particle_type,process,"
        "vx,vy,vz,vt,px,py,pz,m,q",
        "1,0,3,0,0,13,0,0,0,0.5,0,-4.11371803,-1.23577356,-1.32821929,0.105658375,-1",
        "2,0,1,0,0,-13,0,0,0,0,0,0.652071059,-0.0799360052,-0.161503971,0.105658375,1",
    ],
}


def write_event(folder, files, *, event=1, compress=True):
    """Write the CSV files of one event; gives the path of that of the hits."""
    for kind, lines in files.items():
        name = f"event{event:09}-{kind}.csv"
        text = "\n".join(lines) + "\n"
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)
    return folder / f"event{event:09}-hits.csv{'.gz' if compress else ''}"


def changed(files, kind, old, new):
    """The files with one text replaced in the lines of one of them; None removes the file."""
    lines = [line.replace(old, new) for line in files[kind]]
    assert lines != files[kind]
    return files | {kind: lines}


def velo(**changes):
    """An event of seven hits in three modules; the second hit is of both particles, the last of none."""
    return {
        "description": "toy",
        "module_prefix_sum": [0] * 9 + [2, 4] + [4] * 3 + [7] * 39,
        "x": [1.0, 2.0, 1.5, 3.0, 2.0, 2.5, 9.0],
        "y": [0.0, 0.5, 0.0, 0.7, 0.0, 0.1, 9.0],
        "z": [-138.1, -137.0, -125.5, -125.6, -63.1, -63.2, -62.0],
        "montecarlo": {
            "description": ["key", "pid", "p", "pt", "eta", "phi", "isLong", "charge", "hits"],
            "particles": [
                [0, 211, 5000.0, 300.0, 3.5, 0.5, 1, 0.999, [4, 0, 2, 1]],
                [12, -13, 5000.0, 400.0, -3.2, 0.25, 1, -0.999, [1, 3, 5]],
            ],
        },
        **changes,
    }


def write_velo(path, content):
    path.write_text(json.dumps(content))
    return path


def graph(**changes):
    """Four hits of particle 0, one of 1 on a disc; three edges, of which the columns are not in order."""
    positions = {
        "X": np.array(
            [[0.032, 0.5, 0.1], [0.072, 0.5, 0.2], [0.116, 0.51, 0.3], [0.172, -1, 0.4], [0.1, 0.0, -0.7025]],
            np.float32,
        ),
        "Ra": np.zeros((4, 3)),
        "Ro_rows": np.array([0, 1, 2]),
        "Ro_cols": np.array([2, 0, 1]),
        "Ri_rows": np.array([4, 2, 1]),
        "Ri_cols": np.array([1, 0, 2]),
        "y": np.array([1, 0, 1], np.float32),
        "pid": np.array([0, 0, 0, 0, 1]),
    }
    return {name: array for name, array in (positions | changes).items() if array is not None}


def write_graph(path, arrays):
    np.savez_compressed(path, **arrays)
    return path
