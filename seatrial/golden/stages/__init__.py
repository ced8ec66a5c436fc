"""What a predictor makes of an input, stage by stage: recorded where it was trained, replayed where it will serve.

The same modules run in three places: in training, in the environment on trial, and in the tool, which only reads the
index. Hence they import nothing of the tool except the runtime's own modules and each other, and run on Python 3.10.
NumPy is imported where arrays are handled; torch, torchvision, Pillow and others only if the predictor has done so.
"""

FILES = ("stages.json", "stages.safetensors")  # of a recording, in the golden folder: the index and the numbers
