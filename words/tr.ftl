# The sale, before joining
status-scheduled = Henüz başlamadı
status-open = Açık
status-paused = Duraklatıldı
status-sold-out = Tükendi
status-closed = Kapandı
starts-on = Başlangıç: { $at }.
join-before-start = Yerinizi şimdiden alabilirsiniz. Sıra, satış başlayınca ilerler.
start-not-set = Bu satış henüz başlamadı. Başlangıç saati daha belli değil.
join-before-open = Yerinizi şimdiden alabilirsiniz. Sıra, satış açılınca ilerler.
no-units = Şu anda satışta ürün yok.
sale-open = Satış açık. Sıraya girin, yerinizi canlı gösterelim.
sale-paused = Satış duraklatıldı. Şu anda kimse içeri alınmıyor.
join-while-paused = Yine de sıraya girebilirsiniz. Yeriniz korunur; satış sürünce sıra da ilerler.
sale-sold-out = Bütün ürünler satıldı. Sıraya artık kimse alınmıyor.
sale-closed = Bu satış sona erdi. Sıraya artık kimse alınmıyor.
join = Sıraya gir
join-help = Herkes geliş sırasına göre içeri alınır. Bu sayfayı kapatıp bu tarayıcıyla geri gelebilirsiniz: yeriniz korunur.
all-held = Bütün ürünler şu anda kasada.
return-from = { $at } itibarıyla bazıları geri gelebilir.
return-some = Bazıları geri gelebilir.
available = Mevcut
held = Kasada
sold = Satıldı

# In line
from-seller = Mağazadan:
paused = Satış duraklatıldı.
paused-help = Şu anda kimse içeri alınmıyor. Yeriniz korunuyor.
in-line = Sıradasınız
place-taken = Yeriniz ayrıldı. Başlangıca kadar yapmanız gereken bir şey yok: sonra bu sayfa nerede olduğunuzu gösterir.
waiting = Sırada bekleyen
your-place = Sıradaki yeriniz
in-front = Önünüzde
behind = Arkanızda
wait = Tahmini bekleme
chance = Şansınız
chance-certain = kesin
chance-very-likely = çok olası
chance-likely = olası
chance-even = yaklaşık yarı yarıya
chance-unlikely = düşük olasılık
chance-very-unlikely = çok düşük olasılık
chance-none = gerçekçi bir şans yok
chance-over = { $p } üzeri
chance-under = { $p } altı
under-a-minute = bir dakikadan az
minutes =
    { $n ->
        [one] { $range } dakika
       *[other] { $range } dakika
    }
hours =
    { $n ->
        [one] { $range } saat
       *[other] { $range } saat
    }
days =
    { $n ->
        [one] { $n } gün
       *[other] { $n } gün
    }
range = { $low }–{ $high }
percent = %{ $n }
day-time = { $date } { $time }
live = Canlı
news-old =
    { $n ->
        [one] Son haber { $n } saniye önce geldi. Yeniden bağlanırken yeriniz korunuyor.
       *[other] Son haber { $n } saniye önce geldi. Yeniden bağlanırken yeriniz korunuyor.
    }
alert-me = Sıram gelince haber ver
late-paused = Bekleme uzadı: satış bir süre duraklatıldı.
late-all-held = Bekleme uzadı: bütün ürünler kasadaydı ve geç geri geldi.
late-checkout-full = Bekleme uzadı: kasa dolu, diğerleri bitirdikçe sıradakiler içeri alınıyor.
late-pace = Bekleme uzadı: mağaza içeri alma hızını değiştirdi.
late-outage = Bekleme uzadı: sıra bir arızadan sonra geri yüklendi, herkes kendi yerinde.
late-slower = Bekleme uzadı: önünüzdekilerin işi öncekinden uzun sürüyor.
hopeless = Önünüzde, kalan ürünlerden daha fazla kişi büyük olasılıkla satın alacak. Kalabilirsiniz: satın alınmayan ürün sıradaki kişiye geçer. Ya da şimdi çıkıp beklemekten kurtulabilirsiniz.
numbers = Bu sayılar nereden geliyor
numbers-help = Bekleme: bu satışın son dakikalarında içeri alma hızı. Şans: önünüzde, kalan ürünlerden daha az kişinin satın alma olasılığı; bu satışta kasaya gelenlerin şimdiye kadar kaçının satın aldığına göre.
leave = Sıradan çık
leave-help = O zaman yerinizi tamamen kaybedersiniz. Yeniden girerseniz sıranın sonundan başlarsınız.
leave-yes = Evet, yerimi bırakıyorum

# Going on on another device
move = Başka bir cihazda devam et
move-help = Bir bağlantı ve QR kodu alırsınız. Yeriniz aynı kalır; bu cihazda artık olmaz.
move-make = Bağlantı oluştur
move-link = Diğer cihazın kamerasını buraya tutun. Bağlantı { $at } saatine kadar bir kez çalışır; açan kişi yerinizi alır.
qr = Aşağıdaki bağlantının QR kodu
moved = Bu yer başka bir cihaza taşındı
moved-help = Artık orada gösteriliyor ve bu cihaz onu kullanamaz. Geri almak için orada “Başka bir cihazda devam et” düğmesine basın.
take = Bu cihazda devam edilsin mi?
take-help = Sıradaki yeriniz buraya gelir. Diğer cihazda artık olmaz.
take-yes = Evet, burada devam et
take-warning = Bu bağlantıyı size başkası mı gönderdi? Size onun yerini verir. Bu sayfayı kapatabilirsiniz; o zaman hiçbir şey değişmez.

# The turn, and how a ticket ends
turn = Sıra sizde
turn-title = Sıra sizde
held-until = Bir ürün { $at } saatine kadar sizin için ayrıldı.
go-checkout = Kasaya git
no-checkout-address = Ürününüz { $at } saatine kadar sizin için ayrıldı. Mağaza bize kasa adresini bildirmedi. Mağazanın sayfasını başka bir sekmede açın ve bu sekmeyi kapatmayın.
if-late = Zamanında satın almazsanız ürün artık sizin için ayrılmış olmaz.
yours = Artık sizin
order-confirmed = Siparişiniz onaylandı. { $unit } numaralı ürün sizin.
order = Sipariş
open-receipt = Makbuzu aç
expired = Satın alma süreniz doldu
expired-help = Bir ürün { $at } saatine kadar sizin için ayrılmıştı.
released = Ürününüzü geri verdiniz
released-help = Ürün artık sizin için ayrılmış değil.
sold-out = Tükendi
sold-out-help = Bütün ürünler satıldı ve sıra sona erdi. Beklediğiniz için teşekkürler.
closed = Satış sona erdi
closed-help = Mağaza bu satışı sıra size gelmeden kapattı.
left = Sıradan çıktınız
left-help = Yeriniz arkanızdakilere geçti.
removed = Sıradan çıkarıldınız
removed-help = Mağaza bu bileti sildi. Bir yanlışlık olduğunu düşünüyorsanız mağazaya sorun.
join-again = Yeniden sıraya gir
join-again-help = Sıranın sonunda yeni bir bilet alırsınız.

# Spoken by screen readers
say-scheduled = Sıradasınız. Satış henüz başlamadı.
say-waiting = Sıradaki yeriniz: { $position }.
say-admitted = Sıra sizde. Satın almak için süreniz: { $left }.
say-confirmed = Siparişiniz onaylandı.
say-minute = Bir dakikanız kaldı.
say-over = Süreniz doldu. Birkaç saniye daha olabilir.

# The checkout and the receipt
checkout = Kasa
unit-held = { $unit } numaralı ürün sizin için ayrıldı
buy-before = { $at } olmadan satın alın. Sonra ürün artık sizin için ayrılmış olmaz.
over = Süreniz doldu.
over-help = Birkaç saniye daha olabilir: “Şimdi satın al” düğmesine basın, deneyelim.
reference = Ödeme referansı
optional = (isteğe bağlı)
reference-help = Makbuzunuzda yazar, en çok 200 karakter.
reference-bad = En çok 200 karakter kullanın.
buy = Şimdi satın al
not-wanted = İstemiyorum
not-wanted-help = Ürün artık sizin için ayrılmış olmaz. Bu geri alınamaz.
give-back = Geri ver
unknown-outcome = İşlemin tamamlanıp tamamlanmadığını henüz bilmiyoruz. “Şimdi satın al” düğmesine yeniden basın: iki kez ödeme alınmaz.
receipt = Makbuz
receipt-help = Siparişiniz onaylandı ve güvenle kaydedildi.
sale = Satış
unit = Ürün
confirmed-at = Onaylandı
keep = Bu sayfayı saklayın: yazdırın, kaydedin ya da siparişi not edin. Mağazaya karşı kanıtınız budur.

# The foot of a page
in-utc = Saatler UTC’ye göredir.
refreshes = Bu sayfa 10 saniyede bir kendini yeniler.
left-as-opened = Kalan süre, sayfanın açıldığı ana göredir.
language = Dil
change = Değiştir

# Ways to say no
nothing-here = Burada bir şey yok
nothing-here-help = Adresi kontrol edin ya da sizi buraya gönderen mağaza sayfasından yeniden başlayın.
too-many = Çok fazla istek
too-many-help = Bağlantınızdan, bir defada aldığımızdan fazla istek geldi.
line-full = Sıra dolu
line-full-help = Lütfen biraz sonra yeniden gelin.
away = Biraz sonra yeniden gelin
away-help = Bu sitenin bir bölümü şu anda yanıt vermiyor. Sıradaysanız yeriniz korunur.
not-known = Sonuç bilinmiyor
not-known-help = İşlem tamamlanmış da olabilir, tamamlanmamış da. Bekleme odasına bakın, sonra yeniden deneyin.
our-fault = Bir şeyler ters gitti
our-fault-help = Hata bizde ve kaydedildi.
link-ended = Bu bağlantı artık geçerli değil
link-ended-help = Daha önce kullanıldı ya da çok eski. Yerin olduğu cihazda yeni bir tane oluşturun.
already-in-line = Bu tarayıcının zaten bir yeri var
already-in-line-help = Bir tarayıcının bir satışta tek yeri olur. Önce burada sıradan çıkın, sonra bağlantıyı yeniden açın.
changed = Bu artık mümkün değil
changed-help = Bu arada bir şey değişti. Bekleme odası son durumu gösterir.
cookies-off = Bu tarayıcı bu sitenin çerezlerini saklamıyor
cookies-off-help = Bu site yerinizi bir çerezle tanır. Hiçbir şey değişmedi: bu sitenin çerezlerine izin verin, sonra bu sayfayı yeniden açın.
other-site = Bu istek bu siteden gelmedi
other-site-help = Lütfen satışı mağazanın sayfasından yeniden açın. Yine olmazsa mağazanın ayarları hatalıdır: lütfen mağazaya bildirin.
not-taken = Bu istek alınamadı
not-taken-help = Lütfen bekleme odasına dönüp oradan yeniden deneyin.
retry-seconds =
    { $n ->
        [one] { $n } saniye sonra yeniden deneyin.
       *[other] { $n } saniye sonra yeniden deneyin.
    }
retry-minutes =
    { $n ->
        [one] { $n } dakika sonra yeniden deneyin.
       *[other] { $n } dakika sonra yeniden deneyin.
    }
back = Bekleme odasına dön
