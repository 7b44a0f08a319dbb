"""Where the continents are: a half-degree land mask of the globe.

Made from Natural Earth 1:110m countries (public domain, naturalearthdata.com): a cell is land where its centre lies in a
country. One bit a cell, zlib, base 85.
"""

from __future__ import annotations

import base64
import zlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS_PER_DEGREE = 2
_SHAPE = (180 * CELLS_PER_DEGREE, 360 * CELLS_PER_DEGREE)  # rows from 90 N southwards, columns from 180 W eastwards


@cache
def land_cells() -> NDArray[np.float32]:
    """The mask, float32 (360, 720): 1 for land, 0 for sea; row 0 is the northernmost, column 0 starts at 180 W."""
    bits = np.frombuffer(zlib.decompress(base64.b85decode("".join(_MASK.split()))), dtype=np.uint8)
    cells = np.unpackbits(bits)[: _SHAPE[0] * _SHAPE[1]].reshape(_SHAPE).astype(np.float32)
    cells.setflags(write=False)
    return cells


def land_share(lon: NDArray[np.floating[Any]], lat: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Land around places, bilinear between the centres of the cells.

    Args:
        lon: Degrees, any shape; wraps at the antimeridian.
        lat: Degrees.

    Returns:
        float32, 0 (open sea) to 1 (inland).
    """
    cells = land_cells()
    column = (np.asarray(lon) + 180.0) * CELLS_PER_DEGREE - 0.5
    row = np.clip((90.0 - np.asarray(lat)) * CELLS_PER_DEGREE - 0.5, 0.0, _SHAPE[0] - 1.000001)
    west, north = np.floor(column), np.floor(row)
    u, v = (column - west).astype(np.float32), (row - north).astype(np.float32)
    i = west.astype(np.int64) % _SHAPE[1]
    k = (i + 1) % _SHAPE[1]
    j = north.astype(np.int64)
    upper = cells[j, i] + (cells[j, k] - cells[j, i]) * u
    lower = cells[j + 1, i] + (cells[j + 1, k] - cells[j + 1, i]) * u
    return np.asarray(upper + (lower - upper) * v, dtype=np.float32)


_MASK = """
c-rlqPmkQT6~M{WWVt{VR*D=ths|(v>M`4!3%IK-dM%KzutC4T_RnF1x+@tQ#O<NkOAjef!2Jk4251p;y9ILS!9Xv)6tG+abq+;Vt_xVMWwIni
&4|(?Maes83oKE@$yoE7r^ojm-+QD~gs#W+xE|Nz|7fH_R9A?jLXKSiORWCo3el-B<lD)WavQJ~T#q6yuZCQ!AWxR$hk{>?$QO#nW6>I!eF^z}
>+&KLj3q~kTcj;;zM5LC7s6K8kC+E__d+1jCr6J9(bIS$!myiCAn{CsQPLtC5hEd>S=k8z=a?^IA)$x@YQ_STFJ)m)LbD@Djs!G;X>|)yUjUZK
dBz2LA_|m3WKty4?2RwyFtaAG(KCv3(Ejs5i8-37X}T+I&eAh%S8;PE$)Md)R>p{y(pV#H2g?C^;L_US)=jyF6t|#dRHCC+`~X}~-(d5hzN#>O
<Wz^eBzpQ(7~`Toa+-JIqP~p>F5!u~Liu&`LuR;5jkMK8kh$BQE_xrhXD}+;<a{t-C_j_;`4(<IaLypjErl5++;jywet;IF6sM10RMr$`kR92R
T<JSrxGdwz<-B~Ss^aIoF)ZP_*;M`Y$Cjtc-zr>|aZm7y@S|ApG;5I|b3Rdj{Re6XMC>qZ!V^hGifjxtb;^v@uZbI0*kT!O3>zUm!BKPhZLH+O
Rov*-7{^QCCX-D5Ew#edqt^Y^%=EIow8|eQjaTiM*=duFR5A(?aVCIKSu3^v7gjqV*2|#&jP{igt(L1uJb=ie6<Oqvmy5sMRCiz9Izi+kqSZm~
cdbrd@yh(yVI*f97+eXPwH#m1fh6TA%}HryIqAA!TuV`}QLr}TxGSm*+3VdG<y-QTuSkXJsYtE3-~5!)&U}`X$%TV_sej%g=eUv!p@<799BXW&
v~m%B4`uXN{+T`z&cU0Dn*^>DDu&7!eWCu2bi<K}epywk>B3D`f<Ygb(H%9%aYtm6@d=jKf1Y{B4>MaGOQ%!zhsbKVK<&`RepLS%d&nY>fgdiE
bkvaLEFVRAYXXa8VXjNv+(hKy&ndE6XpP8AXOX%|rQ%aDI5KXfZ_Rk16nZDqvs<gTXiP)q>lGRX3$%~u%l^k_D&Mb#HD;YR9+*p+kB4RE)@rvJ
wA>=v+RP=!Th*PM%a4*_kqeldC)6a|X>HBTaw?HT1dURyTz#v{XG+|CjVkRWxT0a?3RZ^B8t5Oj{pOuSCkZ2SD_v>*9y|LK*M(+o`$--kbCuR{
H->bC&YCPKw{pY~@~hHB1Om>hv4+T6izS&2lkYq=aaWO3+VMb1uBR?$V`b*()GV{#lK+uLT{1D`D6`2W$<raLpkm%c#;UX|#E=QpK`7Bs&?wOU
!7}C+2iEmQ8*wk2qtDgK?j5J+6<RJ8+dnC-EL>YTm34P7k)juZ`N>KsTw0}CTOE~|S3Bn-vfPrXh+i43!I|%Tf-Jk{=7;Q@E7nnTfUM_vCG%p(
wrjpyue)~bF4uE37un8Gw2*b~@;k=}_0$27rE<zNO9mobyDNcnyL8Y?U(_S3mPVDLWN-pk<i-Xpn~Zu1xtf?~pZUp5lb7>z)9OnZq2pe8qN4u~
;2gr5K)kdm%<NpEzOA&I!=R^?3fp^w6Np6tcK<ALJMW4LxyIZ+_j@2Smf5MStiDmw%ji^RV{py>2<oFm?Vw~9r8fDgK*KB5Um-HK$h2Ewl1CyB
OEXHSI9{22(j%Y4iCTXSkG<qNKW-cJrd+s0kT#B7jn>w9X3esAJWN)x?Eq@ubPE}4hC`B=Ph3q1d)Y}ht>$AEKt6-X-?pzhXPxy*OeWv36^-_2
+3!mG$1gIt3vtiRq1vm198Uts+m4=$rN|eR-QmL_iQ<-n{IGq|^Qyh>AQV!Z@GTTz9G4RNJy$Grx!^VmGCP@yz%%$@>Hghy@J0}s|FGA9tiOI+
{ssfd#a5Wi0`3bIJ5&gG4bM>!`DxXc`JP#CIBY2_Oy)0GpM0vmE@iG@a<&sf<~RC{-utJbZl_mp@rD+=0pw!4PbTM@j0KP26@})m%^&w{DAb&&
l~;)X>-l)ul=hNYk6fW|6mi{c<B&&k=l;hq`GYbteLRRPZRzhJGgtuRL!owoQc2F<2dj7%K<54ax%_5wM|BIN12O{o$zgytsy;bGdHhJ+s9SdL
^|~#JoClDLK3VmXe*W^boshJKu6m0AZGhxMoEabK)v|n{dfg%9-}L=Nsga$K?k26#-hAO9r*5OG$p~e)Ych*_)0eCY6JILBSx+0vT5y&)$c5^n
W9HkLH{=W?pP+Xlm|PvmdWVFN`&%M1Mc7-Qo!WxRE}54kNAEN54!UEfiWbpBY2@2jyaXGUxhxpdN#t!g!8)^<AHnO1lv!l%O*{`dS~?~i^?l^X
M~)xVWpfEvZd^`Z>Lg>|{wQ4*h=&fc?;JpC*XBKAFFYBZtkwU-{6|e3nM1k^fG+avL(jIf)46M0g&fUaO{Rywy<_JDM&?%bTx5nQ3LtaG?QqrD
iX6R-O&|H8b4#}&OWBB{Pv;}!FPx@f{4*0gc9Cbk-Qx=<+29Iqr^hoMn?P22J%0-M1HCy~&TbEp;oh=md{f)c9=hd=gD<C$=cf0t?_0@!XA<dA
<n6S!<%MtcRi=4ote*F2ZOi+<0IPPN8Q7ijj78nN?mH^!kbC)tGc-4VGeh3<kd;jri^N-q^_}o;O^#=tW}Z4ZQlR_e$mp(VZ2Q`Tr6m6o-2*n)
eB->9dBfKUQhDgVqb$8E1`igs&wZJgG53&FV~mr`j;7V#0Qtxy6<eNUk}K83tdnma4v^;wOtw_oY$;ogGIR)Mi^6W&Cs($Lvca=o^=59@?(O9|
GRB|{=7lkhgTYf}ij2<+ANkZ6uqKx#Y6Or=)Njbzi|R#NW)|Yx4Ou4Gi$QW#$85d%?dnWnn_Q_=Or7?kO+Igy%0$!~_SHP(yrCjz?ae2kByS?U
+AvgP=h<3jk+~uxa_AwaCeo`-PNnVQRsdO5l(I@fQRQiUBrBPj-cdddIVGvGmCPKHa<maN*&NWx)I1hJ<WyV=wYdEGrn^Bwjh*QZ4XNcHhSvw5
X1>;kD%p4)0qeswC2|}F>>3y!XxFH!p4aO^smWE4%qWbU*JP;&QlGmHAk$%TWZYRFXo#s^1c$YOBEp5A%*pcDr~H8ps(&XBu#Tu7U^;1jWNs@K
X7y!ZWZWlr62uFWYY}rkN0AT1oQ3&ierzsilYbmSj)%1Iv^mq-kmW4|9gL3B0rJbd`B+^@5=H(#3i9v)@+;PSjF#kggUBk_Wp1lm8oVJBrRUwC
DU<;kf9fGuCa&O`T%UQ_4VpsvzlCS-kT+*EgxQpoH@F=nGf_t#ta#VSmSc;oMBjKbNY8S8P16_u@N57XvR3#el11J|6hwX_M`;2bGwgO&blo^p
2MA`HL1a`EB7u%Z_Q*_=_f(4cR+vHms*}b?F!_k-`QAlg0b12q-Lnu8TvvWAN6ixhQP=}Lgmy|i2U*9?`ZQGFqe2^Tr!2*eidCO7(d4bbhmd+F
MN>Cf|KkvSIf7i;u2QD`T3C|{P0mM<+d{|oo}jff9P5O8cMO@^nPdW1**LGdY2YxqwT7$nvlOg_ad9HAFGrFySH0Q(v^=R#ScQ!UY+6vT%D%mi
TpNRKnO$T{tNSvPC&A>{Pqws57p>z>0m&WI9HL-5Dn5gbHw};r2idw8@(jH#uf$>G#80+tCVHXI?|vr>A`36sPJ^YFB%)9!u}6>{dbS-dQr?+o
VcNiOcPIf{y;zYSp^;<;k~>P0wW)aYF}hQPyI@y32RY5CI4@B&ip)WB-X+IE30%x4lPTN-O;{{W)uGRmaNFp58{AK%g(Ux02EBm|icZa%0r^Zf
$Q0<|>1W%e>d4_h+vq(61d>UC2>xs~dvCZq+D<Qu{txm#8R1{+Z!ye*!gJT|Fx&&hiu_BRI^;MDmf2FYqr0leAJuhu6s`@+#2n<KrR|g_vnwUX
ru8XPhxtaZZCK<K?qbus4Y@-2V5sK<k`tIrmeq1KSYvs~{e0-2d9FZwj?gS<wF)I;{q!%|;V~NW!eo>-<hZ4~fhV%w8|dm%*q#&5K7<MbGnM}B
PA5ar0pDSbJF<`*sf(fRT^YQ}r31+oK=#Lmd0<EyLC(;2a4y<Q4!z{V5OM@BS4%Q9{~Ll$Cnr9#^zj?vsZ1vWNE`AINX`~x$Sjx~3lu;`FnQ@b
KsrRJ@E(T<A~Os<iA=e9>U$OzMnRdOmP4vuCXo-5sh3Q?1j#I<cq0(GnOEpNAvjg1?lgJB8>F#^%pvj{`f-a!=FI>_1LOh$<sZ>Iv>_>U>ee%J
kyjo&517KNPtG869C9MUO-@bV2hJx@$1xap?C+B~_+}FtwxRCI@0*8s0CF03ykJEJN}v*GsxQNChB{60Kr%Hl_g9s+DIErpD~Q~G@(H)Y`Q8L_
T;B#3&NV0>T)Z1{*>?wsOxonxgx-mh90#A{aHK;GnZG`{3?$Rh<a{hygpxD3#ap?_Ss)oQfgIQxjYH2;HDnH%ZRX8ghslYP%)FWW{~Q^wO&bB^
d>R?K$YcaL1wATt_`+y%34F@^nS3C*0CZHXhfEy{e>B22Qc!>^BQwCdiV@X^o16jU+(l+1$Q<$r=BPgYRl9gLo$N}tS?!2nS#AZ8xr;2_<x+&a
s?c?GyKvRK@*fXE$(O(ZYlkC5`XvYVf>u~{03>(yNBTnvfxq66cL&Pj(Jzi9&3A5IH92a&GaqO}jDD5o@_k=hS4~C@c{WhPPA8KA^7vPOHm?pM
Kl77|(Pa9$`F80iXQRo@)RDqFgX2YB1p(%j`8CMIPtK>4BjzoDrjSkV`Ma5qJn3b&NsasqS`!)jrs&Q7BZNT)jRMF5O(sXVmpn-uHwMjFddh3O
j+pw$Z;RJ>6*2dhR@2G2@{`$g4;&z8)1yY|FH@$I{hRg4YiMJrI4;*jPF^QG53H5zBeS)Uhi&6{ZREpgWRBKl8`V0=yXzuH>#@6pqmA`wBmQb#
dVcfay2zVrBjdGscjt9LS2~4jllgjFkLz(guE+oEI9?Z+9IT6cv^Hhr>jFo?<mP}$6nMS=|GT7}j!;&=*O!FmjNTh+x=iXEZd%0ZRZRCoi__cw
Vxuk>XQ|-zp$-vz=EQ5wY8T?%JS`19;WeGyZ1-RxM!tB$+y2;DJqgl(-3cE)y!W9q8BOx#hFuK48fcK5yUe0_hkcG+Z;ADepZ3X7p+0OqW<;Iu
<Mpb!Z$asc4#M#QUB5nJp4t|4yy(9)W!#%~wwkKVes3ux9`?Ta7!bBLt<tWKA;9H0@<Fp3;(bojKVVNx3lf)DMFwugi7}%)_nW$%sTKO1Q|q4a
C@^3giS_=fa;nU>nwz&lwZzM&%4`|k%9~z6UK&qU2K77XNHrtBOvQjP`(Iq`{;Ks_a50s<Q&O+4=t#2gPfsyf<QAE@O;T-Rr=!V@)uqTSvU(@N
Xz+59DD>r`QSk(Fj(pCm=6Az%N6APsLtal&#H>E~Fw#$;^S1UcN5Z^OVzOz-uRieDI~lEKHs}gWWx8~{X%vI*%O}X&i3~0;I~UVNK5_XRV;#{|
lcmt_-sR($jDT^GE%lv<bqwhek+>e$<9hrz#(w}~>B!R
"""
