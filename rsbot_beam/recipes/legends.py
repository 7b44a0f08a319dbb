"""Maps of classes that crops and land cover are learnt from: their code tables and the groups that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import RecipeError
from rsbot_beam.recipes.assets import Asset
from rsbot_beam.recipes.catalog import ANNUAL_CROP_INVENTORY, EUCROPMAP, WORLD_COVER


class Group(IntEnum):
    """Groups of classes that mean the same in all maps of crops, so that their data can be joined."""

    MAIZE = 1
    SOYBEAN = 2
    WINTER_WHEAT = 3
    COTTON = 4
    RICE = 5
    ALFALFA = 6
    OTHER_CROPS = 7
    GRASS = 8
    FOREST = 9
    DEVELOPED = 10
    WATER = 11
    WETLAND = 12
    BARREN = 13


# Colours are those that the Cropland Data Layer has for the group's most frequent class.
CROP_GROUPS = (
    LabelClass(int(Group.MAIZE), "maize", "#ffd400"),
    LabelClass(int(Group.SOYBEAN), "soybean", "#267300"),
    LabelClass(int(Group.WINTER_WHEAT), "winter wheat", "#a87000"),
    LabelClass(int(Group.COTTON), "cotton", "#ff2626"),
    LabelClass(int(Group.RICE), "rice", "#00a9e6"),
    LabelClass(int(Group.ALFALFA), "alfalfa", "#ffa8e3"),
    LabelClass(int(Group.OTHER_CROPS), "other crops", "#00af4d"),
    LabelClass(int(Group.GRASS), "grass and pasture", "#e9ffbe"),
    LabelClass(int(Group.FOREST), "forest", "#95ce93"),
    LabelClass(int(Group.DEVELOPED), "developed", "#9c9c9c"),
    LabelClass(int(Group.WATER), "water", "#4d70a3"),
    LabelClass(int(Group.WETLAND), "wetland", "#80b3b3"),
    LabelClass(int(Group.BARREN), "barren", "#ccbfa3"),
)


@dataclass(frozen=True)
class Legend:
    """A map of classes as a recipe learns from it.

    Attributes:
        asset: Where it lies; its first band holds the codes.
        dtype: Type of the codes.
        classes: All classes that a pixel can be learnt as.
        unlabelled: Codes that say that nothing is known.
        groups: Codes of each group; classes in none of them are other crops. Empty for a map that is not grouped.
        undefined: Codes that are in no group.
        years: The years that it has, where these are few.
        first_year: The first year that it has.
        still: Whether it is one map for all years.
    """

    asset: Asset
    dtype: str
    classes: tuple[LabelClass, ...]
    unlabelled: tuple[int, ...] = ()
    groups: Mapping[Group, tuple[int, ...]] = field(default_factory=dict)
    undefined: tuple[int, ...] = ()
    years: tuple[int, ...] = ()
    first_year: int = 0
    still: bool = False

    @property
    def band(self) -> str:
        """Name of the band with the codes."""
        return self.asset.bands[0]

    def group_of(self) -> dict[int, int]:
        """Code of the group of each class; classes that are undefined are left out."""
        named = {code: int(group) for group, codes in self.groups.items() for code in codes}
        codes = [item.code for item in self.classes if item.code not in self.undefined]
        return {code: named.get(code, int(Group.OTHER_CROPS)) for code in codes}

    def check_year(self, year: int) -> None:
        """Raise where the map has no such year.

        Raises:
            RecipeError: Says which years it has.
        """
        if self.years and year not in self.years:
            listed = " and ".join(str(known) for known in self.years)
            raise RecipeError(
                f"{self.asset.id} has no map of {year}, only of {listed}: choose a period that ends in one of them, or set "
                "label_year"
            )
        if year < self.first_year:
            raise RecipeError(
                f"{self.asset.id} has no map of {year}, its first one is of {self.first_year}: choose a later period, or "
                "set label_year"
            )


def code_table(text: str) -> tuple[LabelClass, ...]:
    """Classes written one a line: code, colour of six hexadecimal digits, name."""
    rows = (line.split(None, 2) for line in text.strip().splitlines())
    return tuple(LabelClass(int(code), name, f"#{colour}") for code, colour, name in rows)


# Codes, names and colours as in Earth Engine's data catalog, "ESA WorldCover 10m v200".
WORLD_COVER_CLASSES = code_table(
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
WORLD_COVER_LEGEND = Legend(asset=WORLD_COVER, dtype="uint8", classes=WORLD_COVER_CLASSES, still=True)

# The same, "EUCROPMAP", band `classification`.
EUCROPMAP_CLASSES = code_table(
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
EUCROPMAP_LEGEND = Legend(
    asset=EUCROPMAP,
    dtype="uint16",
    classes=EUCROPMAP_CLASSES,
    groups={
        Group.MAIZE: (216,),
        Group.SOYBEAN: (233,),
        # Nearly all wheat of the European Union is sown in autumn (Eurostat, crop production in national humidity).
        Group.WINTER_WHEAT: (211, 212),
        Group.RICE: (217,),
        Group.GRASS: (500,),
        # With permanent crops and shrubs, which the map does not tell apart.
        Group.FOREST: (300,),
        Group.DEVELOPED: (100,),
        Group.WATER: (700,),
        Group.WETLAND: (800,),
        Group.BARREN: (600,),
    },
    years=(2018, 2022),
)

# The same, "Canada AAFC Annual Crop Inventory", band `landcover`.
ANNUAL_CROP_INVENTORY_CLASSES = code_table(
    """
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
ANNUAL_CROP_INVENTORY_LEGEND = Legend(
    asset=ANNUAL_CROP_INVENTORY,
    dtype="uint8",
    classes=ANNUAL_CROP_INVENTORY_CLASSES,
    # Cloud; 0 lies outside of what was mapped.
    unlabelled=(0, 10),
    groups={
        Group.MAIZE: (147,),
        Group.SOYBEAN: (158,),
        Group.WINTER_WHEAT: (145,),
        # With forages, of which alfalfa is one, and with shrubs.
        Group.GRASS: (50, 110, 122),
        Group.FOREST: (200, 210, 220, 230),
        Group.DEVELOPED: (34, 35),
        Group.WATER: (20,),
        Group.WETLAND: (80, 85),
        Group.BARREN: (30,),
    },
    first_year=2009,
)
