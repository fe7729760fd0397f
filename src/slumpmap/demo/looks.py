"""How the corridor looks and how hard it is: every strength that one may want to tune, in one place.

Reflectances are surface reflectance x 10000 in band order blue, green, red, near infrared.
"""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float, float]


@dataclass(frozen=True)
class Look:
    """The look of one of the two landscapes.

    Args:
        green: closed vegetation at the height of summer.
        straw: closed vegetation in June or late September.
        soil: bare ground, and the floors of slumps and look-alikes.
        cover: logit of the mean vegetation cover.
        swing: how strongly the cover varies in patches, in logits.
        patch_m: wavelength of the patches, metres.
        floor_contrast: 1: floors have the colour of bare soil; 0: that of the landscape's mean ground.
        shadow: share of light that the shadow below a headwall takes away.
        rim: brightness of the fresh edge above a headwall, relative to bare soil.
        flow: amplitude of flow lines on the floors.
        mottle: amplitude of mottles on the floors.
        mottle_m: wavelength of the mottles, metres.
    """

    green: Colour
    straw: Colour
    soil: Colour
    cover: float
    swing: float
    patch_m: float
    floor_contrast: float
    shadow: float
    rim: float
    flow: float
    mottle: float
    mottle_m: float


LOOK_A = Look(
    green=(330.0, 680.0, 470.0, 2800.0),
    straw=(520.0, 830.0, 950.0, 1900.0),
    soil=(830.0, 1230.0, 1690.0, 2300.0),
    cover=1.5,
    swing=0.95,
    patch_m=150.0,
    floor_contrast=1.0,
    shadow=0.75,
    rim=0.26,
    flow=0.085,
    mottle=0.075,
    mottle_m=22.0,
)
LOOK_B = Look(
    green=(600.0, 860.0, 1000.0, 2150.0),
    straw=(720.0, 1000.0, 1240.0, 1900.0),
    soil=(1010.0, 1330.0, 1800.0, 2250.0),
    cover=0.1,
    swing=0.75,
    patch_m=60.0,
    floor_contrast=0.95,
    shadow=0.62,
    rim=0.2,
    flow=0.075,
    mottle=0.06,
    mottle_m=14.0,
)

# Share of slumps that look unusual in either landscape, by kind; the kinds exclude each other.
FAINT_SHARE = 0.08
REGREENED_SHARE = 0.08
# What is left of the shadow of a faint slump, and of the bare floor of a re-greened one.
FAINT_SHADOW = 0.45
REGREENED_FLOOR = 0.55

# Variation from object to object, standard deviations relative to 1: overall and per band.
OBJECT_BRIGHTNESS = 0.09
OBJECT_TINT = 0.022
# Slump floors are wet and dark below the headwall, dry and bright toward the toe: half the range.
FLOOR_GRADIENT = 0.10

# Share of look-alikes that carry a dark edge on some side, and its strength against a slump's.
SHADED_LOOKALIKES = 0.1
SHADED_STRENGTH = 0.35

# Share of drained ponds and borrow pits with wet hollows as dark as a headwall's shadow, and their strength: without
# them, the colour of the shadow alone would give slumps away.
WET_LOOKALIKES = 0.45
WET_STRENGTH = (0.4, 0.62)

# Width of the shadow, metres: at a vanishing slump, and what a slump of 1 ha has more.
SHADOW_WIDTH_M = (4.0, 3.6)

# Diffuse bare ground: share of the noise, in standard deviations, above which the sward opens.
BARE_THRESHOLD = 1.25
BARE_STRENGTH = 4.0

# Objects per square kilometre (slumps) and per slump (look-alikes).
SLUMPS_PER_KM2 = 0.762
LOOKALIKES_PER_SLUMP = 4.0
