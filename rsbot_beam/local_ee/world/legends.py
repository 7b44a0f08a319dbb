"""The code tables of the maps that the world offers, as Earth Engine's data catalog gives them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A class of a map.

    Attributes:
        value: Pixel value.
        colour: Six hexadecimal digits.
        name: As the catalog names it.
    """

    value: int
    colour: str
    name: str


def _table(text: str) -> tuple[Entry, ...]:
    rows = (line.split(None, 2) for line in text.strip().splitlines())
    return tuple(Entry(int(value), colour, name) for value, colour, name in rows)


def class_properties(band: str, table: tuple[Entry, ...]) -> dict[str, list[int] | list[str]]:
    """The `*_class_values`, `_names` and `_palette` properties that Earth Engine gives images of classes."""
    return {
        f"{band}_class_values": [entry.value for entry in table],
        f"{band}_class_names": [entry.name for entry in table],
        f"{band}_class_palette": [entry.colour for entry in table],
    }


# USDA/NASS/CDL, band `cropland`.
CROPLAND_DATA_LAYER = _table(
    """
    0 000000 Background
    1 ffd400 Corn
    2 ff2626 Cotton
    3 00a9e6 Rice
    4 ff9e0f Sorghum
    5 267300 Soybeans
    6 ffff00 Sunflower
    10 70a800 Peanuts
    11 00af4d Tobacco
    12 e0a60f Sweet Corn
    13 e0a60f Pop or Orn Corn
    14 80d4ff Mint
    21 e2007f Barley
    22 8a6453 Durum Wheat
    23 d9b56c Spring Wheat
    24 a87000 Winter Wheat
    25 d69dbc Other Small Grains
    26 737300 Dbl Crop WinWht/Soybeans
    27 ae017e Rye
    28 a15889 Oats
    29 73004c Millet
    30 d69dbc Speltz
    31 d1ff00 Canola
    32 8099ff Flaxseed
    33 d6d600 Safflower
    34 d1ff00 Rape Seed
    35 00af4d Mustard
    36 ffa8e3 Alfalfa
    37 a5f58d Other Hay/Non Alfalfa
    38 00af4d Camelina
    39 d69dbc Buckwheat
    41 a900e6 Sugarbeets
    42 a80000 Dry Beans
    43 732600 Potatoes
    44 00af4d Other Crops
    45 b380ff Sugarcane
    46 732600 Sweet Potatoes
    47 ff6666 Misc Vegs & Fruits
    48 ff6666 Watermelons
    49 ffcc66 Onions
    50 ff6666 Cucumbers
    51 00af4d Chick Peas
    52 00deb0 Lentils
    53 55ff00 Peas
    54 f5a27a Tomatoes
    55 ff6666 Caneberries
    56 00af4d Hops
    57 80d4ff Herbs
    58 e8beff Clover/Wildflowers
    59 b2ffde Sod/Grass Seed
    60 00af4d Switchgrass
    61 bfbf7a Fallow/Idle Cropland
    63 95ce93 Forest
    64 c7d79e Shrubland
    65 ccbfa3 Barren
    66 ff00ff Cherries
    67 ff91ab Peaches
    68 b90050 Apples
    69 704489 Grapes
    70 007878 Christmas Trees
    71 b39c70 Other Tree Crops
    72 ffff80 Citrus
    74 b6705c Pecans
    75 00a884 Almonds
    76 ebd6b0 Walnuts
    77 b39c70 Pears
    81 f7f7f7 Clouds/No Data
    82 9c9c9c Developed
    83 4d70a3 Water
    87 80b3b3 Wetlands
    88 e9ffbe Nonag/Undefined
    92 00ffff Aquaculture
    111 4d70a3 Open Water
    112 d4e3fc Perennial Ice/Snow
    121 9c9c9c Developed/Open Space
    122 9c9c9c Developed/Low Intensity
    123 9c9c9c Developed/Med Intensity
    124 9c9c9c Developed/High Intensity
    131 ccbfa3 Barren
    141 95ce93 Deciduous Forest
    142 95ce93 Evergreen Forest
    143 95ce93 Mixed Forest
    152 c7d79e Shrubland
    176 e9ffbe Grass/Pasture
    190 80b3b3 Woody Wetlands
    195 80b3b3 Herbaceous Wetlands
    204 00ff8c Pistachios
    205 d69dbc Triticale
    206 ff6666 Carrots
    207 ff6666 Asparagus
    208 ff6666 Garlic
    209 ff6666 Cantaloupes
    210 ff91ab Prunes
    211 344a34 Olives
    212 e67525 Oranges
    213 ff6666 Honeydew Melons
    214 ff6666 Broccoli
    215 66994d Avocados
    216 ff6666 Peppers
    217 b39c70 Pomegranates
    218 ff91ab Nectarines
    219 ff6666 Greens
    220 ff91ab Plums
    221 ff6666 Strawberries
    222 ff6666 Squash
    223 ff91ab Apricots
    224 00af4d Vetch
    225 ffd400 Dbl Crop WinWht/Corn
    226 ffd400 Dbl Crop Oats/Corn
    227 ff6666 Lettuce
    228 ffd400 Dbl Crop Triticale/Corn
    229 ff6666 Pumpkins
    230 8a6453 Dbl Crop Lettuce/Durum Wht
    231 ff6666 Dbl Crop Lettuce/Cantaloupe
    232 ff2626 Dbl Crop Lettuce/Cotton
    233 e2007f Dbl Crop Lettuce/Barley
    234 ff9e0f Dbl Crop Durum Wht/Sorghum
    235 ff9e0f Dbl Crop Barley/Sorghum
    236 a87000 Dbl Crop WinWht/Sorghum
    237 ffd400 Dbl Crop Barley/Corn
    238 a87000 Dbl Crop WinWht/Cotton
    239 267300 Dbl Crop Soybeans/Cotton
    240 267300 Dbl Crop Soybeans/Oats
    241 ffd400 Dbl Crop Corn/Soybeans
    242 000099 Blueberries
    243 ff6666 Cabbage
    244 ff6666 Cauliflower
    245 ff6666 Celery
    246 ff6666 Radishes
    247 ff6666 Turnips
    248 ff6666 Eggplants
    249 ff6666 Gourds
    250 ff6666 Cranberries
    254 267300 Dbl Crop Barley/Soybeans
    """
)

# USDA/NASS/CDL, band `cultivated`.
CULTIVATED = _table(
    """
    1 d3d3d3 Non-cultivated
    2 b1b58c Cultivated
    """
)

# ESA/WorldCover/v200, band `Map`.
WORLD_COVER = _table(
    """
    10 006400 Tree cover
    20 ffbb22 Shrubland
    30 ffff4c Grassland
    40 f096ff Cropland
    50 fa0000 Built-up
    60 b4b4b4 Bare / sparse vegetation
    70 f0f0f0 Snow and ice
    80 0064c8 Permanent water bodies
    90 0096a0 Herbaceous wetland
    95 00cf75 Mangroves
    100 fae6a0 Moss and lichen
    """
)

# JRC/D5/EUCROPMAP/V1, band `classification`.
EUCROPMAP = _table(
    """
    100 ff130f Artificial
    211 a57000 Common wheat
    212 896054 Durum wheat
    213 e2007c Barley
    214 aa007c Rye
    215 a05989 Oats
    216 ffd300 Maize
    217 00a8e2 Rice
    218 d69ebc Triticale
    219 d69ebc Other cereals
    221 dda50a Potatoes
    222 a800e2 Sugar beet
    223 00af49 Other root crops
    230 00af49 Other non-permanent industrial crops
    231 ffff00 Sunflower
    232 d1ff00 Rapeseed and turnip rapeseed
    233 267000 Soya
    240 f2a377 Dry pulses
    250 e8bfff Fodder crops (cereals and leguminous)
    290 696969 Bare arable land
    300 93cc93 Woodland and Shrubland (incl. permanent crops)
    500 e8ffbf Grasslands
    600 a89e7f Bare land/lichens moss
    700 0793de Water
    800 7cafaf Wetlands
    """
)

# AAFC/ACI, band `landcover`.
ANNUAL_CROP_INVENTORY = _table(
    """
    10 000000 Cloud
    20 3333ff Water
    30 996666 Exposed Land and Barren
    34 cc6699 Urban and Developed
    35 e1e1e1 Greenhouses
    50 ffff00 Shrubland
    80 993399 Wetland
    85 501b50 Peatland
    110 cccc00 Grassland
    120 cc6600 Agriculture (undifferentiated)
    122 ffcc33 Pasture and Forages
    130 7899f6 Too Wet to be Seeded
    131 ff9900 Fallow
    132 660000 Cereals
    133 dae31d Barley
    134 d6cc00 Other Grains
    135 d2db25 Millet
    136 d1d52b Oats
    137 cace32 Rye
    138 c3c63a Spelt
    139 b9bc44 Triticale
    140 a7b34d Wheat
    141 b9c64e Switchgrass
    142 999900 Sorghum
    143 e9e2b1 Quinoa
    145 92a55b Winter Wheat
    146 809769 Spring Wheat
    147 ffff99 Corn
    148 98887c Tobacco
    149 799b93 Ginseng
    150 5ea263 Oilseeds
    151 52ae77 Borage
    152 41bf7a Camelina
    153 d6ff70 Canola and Rapeseed
    154 8c8cff Flaxseed
    155 d6cc00 Mustard
    156 ff7f00 Safflower
    157 315491 Sunflower
    158 cc9933 Soybeans
    160 896e43 Pulses
    161 996633 Other Pulses
    162 8f6c3d Peas
    163 b6a472 Chickpeas
    167 82654a Beans
    168 a39069 Fababeans
    174 b85900 Lentils
    175 b74b15 Vegetables
    176 ff8a8a Tomatoes
    177 ffcccc Potatoes
    178 6f55ca Sugarbeets
    179 ffccff Other Vegetables
    180 dc5424 Fruits
    181 d05a30 Berries
    182 d20000 Blueberry
    183 cc0000 Cranberry
    185 dc3200 Other Berry
    188 ff6666 Orchards
    189 c5453b Other Fruits
    190 7442bd Vineyards
    191 ffcccc Hops
    192 b5fb05 Sod
    193 ccff05 Herbs
    194 07f98c Nursery
    195 00ffcc Buckwheat
    196 cc33cc Canaryseed
    197 8e7672 Hemp
    198 b1954f Vetch
    199 749a66 Other Crops
    200 009900 Forest (undifferentiated)
    210 006600 Coniferous
    220 00cc00 Broadleaf
    230 cc9900 Mixedwood
    """
)
