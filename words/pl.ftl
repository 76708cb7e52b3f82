# The sale, before joining
status-scheduled = Jeszcze się nie zaczęła
status-open = Otwarta
status-paused = Wstrzymana
status-sold-out = Wyprzedana
status-closed = Zakończona
starts-on = Początek: { $at }.
join-before-start = Możesz już zająć miejsce. Kolejka ruszy wraz z początkiem sprzedaży.
start-not-set = Sprzedaż jeszcze się nie zaczęła. Godzina rozpoczęcia nie jest jeszcze ustalona.
join-before-open = Możesz już zająć miejsce. Kolejka ruszy po otwarciu sprzedaży.
no-units = W tej chwili nie ma żadnych sztuk w ofercie.
sale-open = Sprzedaż jest otwarta. Dołącz do kolejki, a pokażemy Twoje miejsce na żywo.
sale-paused = Sprzedaż jest wstrzymana. W tej chwili nikt nie jest wpuszczany.
join-while-paused = Nadal możesz dołączyć. Twoje miejsce jest zachowane, a kolejka ruszy po wznowieniu sprzedaży.
sale-sold-out = Wszystkie sztuki zostały sprzedane. Do kolejki nie można już dołączyć.
sale-closed = Ta sprzedaż się zakończyła. Do kolejki nie można już dołączyć.
join = Dołącz do kolejki
join-help = Obsługujemy w kolejności dołączania. Możesz zamknąć tę stronę i wrócić w tej przeglądarce: Twoje miejsce jest zachowane.
all-held = Wszystkie sztuki są właśnie kupowane.
return-from = Część może wrócić od { $at }.
return-some = Część może jeszcze wrócić.
available = Dostępne
held = Przy kasie
sold = Sprzedane

# In line
from-seller = Wiadomość od sklepu:
paused = Sprzedaż jest wstrzymana.
paused-help = W tej chwili nikt nie jest wpuszczany. Twoje miejsce jest zachowane.
in-line = Jesteś w kolejce
place-taken = Twoje miejsce jest zajęte. Do rozpoczęcia nie musisz nic robić: potem ta strona pokaże, gdzie jesteś.
waiting = Osoby w kolejce
your-place = Twoje miejsce w kolejce
in-front = Przed Tobą
behind = Za Tobą
wait = Szacowany czas
chance = Twoja szansa
chance-certain = pewna
chance-very-likely = bardzo duża
chance-likely = duża
chance-even = mniej więcej pół na pół
chance-unlikely = mała
chance-very-unlikely = bardzo mała
chance-none = brak realnej szansy
chance-over = ponad { $p }
chance-under = poniżej { $p }
under-a-minute = mniej niż minuta
minutes =
    { $n ->
        [one] { $range } minuta
        [few] { $range } minuty
        [many] { $range } minut
       *[other] { $range } minuty
    }
hours =
    { $n ->
        [one] { $range } godzina
        [few] { $range } godziny
        [many] { $range } godzin
       *[other] { $range } godziny
    }
days =
    { $n ->
        [one] { $n } dzień
        [few] { $n } dni
        [many] { $n } dni
       *[other] { $n } dnia
    }
range = { $low }–{ $high }
percent = { $n }%
day-time = { $date }, { $time }
live = Na żywo
news-old =
    { $n ->
        [one] Ostatnie wieści { $n } sekundę temu. Twoje miejsce jest zachowane, łączymy się ponownie.
        [few] Ostatnie wieści { $n } sekundy temu. Twoje miejsce jest zachowane, łączymy się ponownie.
        [many] Ostatnie wieści { $n } sekund temu. Twoje miejsce jest zachowane, łączymy się ponownie.
       *[other] Ostatnie wieści { $n } sekundy temu. Twoje miejsce jest zachowane, łączymy się ponownie.
    }
alert-me = Powiadom mnie, gdy będzie moja kolej
late-paused = Czekanie się wydłużyło: sprzedaż była przez chwilę wstrzymana.
late-all-held = Czekanie się wydłużyło: wszystkie sztuki były właśnie kupowane i wróciły późno.
late-checkout-full = Czekanie się wydłużyło: kasa jest pełna, kolejne osoby wchodzą, gdy inne kończą.
late-pace = Czekanie się wydłużyło: sklep zmienił tempo wpuszczania.
late-outage = Czekanie się wydłużyło: kolejkę przywrócono po awarii, wszyscy są na swoich miejscach.
late-slower = Czekanie się wydłużyło: osoby przed Tobą potrzebują więcej czasu niż wcześniej.
hopeless = Przed Tobą kupi prawdopodobnie więcej osób, niż zostało sztuk. Możesz zostać: co nie zostanie kupione, przejdzie do następnej osoby w kolejce. Możesz też opuścić kolejkę teraz i nie czekać.
numbers = Skąd są te liczby
numbers-help = Czas: jak szybko wpuszczano w ostatnich minutach tej sprzedaży. Szansa: jak prawdopodobne jest, że przed Tobą kupi mniej osób, niż zostało sztuk, na podstawie tego, ile wizyt w kasie tej sprzedaży zakończyło się dotąd zakupem.
leave = Opuść kolejkę
leave-help = Twoje miejsce przepadnie na dobre. Nowe zaczyna się na końcu kolejki.
leave-yes = Tak, oddaję miejsce

# Going on on another device
move = Kontynuuj na innym urządzeniu
move-help = Dostaniesz link i jego kod QR. Twoje miejsce się nie zmieni; to urządzenie nie będzie go już mieć.
move-make = Utwórz link
move-link = Skieruj tu aparat drugiego urządzenia. Link działa raz, do { $at }; kto go otworzy, dostanie Twoje miejsce.
qr = Kod QR linku poniżej
moved = To miejsce przeniesiono na inne urządzenie
moved-help = Teraz widać je tam, a to urządzenie nie może go już używać. Aby je odzyskać, naciśnij tam „Kontynuuj na innym urządzeniu”.
take = Kontynuować na tym urządzeniu?
take-help = Twoje miejsce w kolejce przejdzie tutaj. Drugie urządzenie nie będzie go już mieć.
take-yes = Tak, kontynuuj tutaj
take-warning = Ktoś inny wysłał Ci ten link? Daje Ci on miejsce tej osoby. Możesz zamknąć tę stronę; wtedy nic się nie zmieni.

# The turn, and how a ticket ends
turn = Twoja kolej
turn-title = Twoja kolej
held-until = Jedna sztuka jest zarezerwowana dla Ciebie do { $at }.
go-checkout = Przejdź do kasy
no-checkout-address = Sztuka jest zarezerwowana dla Ciebie do { $at }. Sklep nie podał nam adresu swojej kasy. Otwórz stronę sklepu w innej karcie i nie zamykaj tej.
if-late = Jeśli nie kupisz na czas, sztuka nie będzie już dla Ciebie zarezerwowana.
yours = Gotowe, to Twoje
order-confirmed = Twoje zamówienie jest potwierdzone. Sztuka { $unit } należy do Ciebie.
order = Zamówienie
open-receipt = Otwórz potwierdzenie
expired = Twój czas na zakup minął
expired-help = Jedna sztuka była zarezerwowana dla Ciebie do { $at }.
released = Sztuka została oddana
released-help = Sztuka nie jest już dla Ciebie zarezerwowana.
sold-out = Wyprzedane
sold-out-help = Wszystkie sztuki zostały sprzedane i kolejka się zakończyła. Dziękujemy za cierpliwość.
closed = Sprzedaż się zakończyła
closed-help = Sklep zakończył tę sprzedaż, zanim przyszła Twoja kolej.
left = Nie jesteś już w kolejce
left-help = Twoje miejsce zajęły osoby za Tobą.
removed = Usunięto Cię z kolejki
removed-help = Sklep usunął to miejsce. Jeśli uważasz, że to pomyłka, zapytaj w sklepie.
join-again = Dołącz ponownie
join-again-help = Dostaniesz nowe miejsce, na końcu kolejki.

# Spoken by screen readers
say-scheduled = Jesteś w kolejce. Sprzedaż jeszcze się nie zaczęła.
say-waiting = Twoje miejsce w kolejce: { $position }.
say-admitted = Twoja kolej. Czas na zakup: { $left }.
say-confirmed = Twoje zamówienie jest potwierdzone.
say-minute = Została jedna minuta.
say-over = Twój czas minął. Jeszcze przez kilka sekund może się udać.

# The checkout and the receipt
checkout = Kasa
unit-held = Sztuka { $unit } jest zarezerwowana dla Ciebie
buy-before = Kup przed { $at }. Potem sztuka nie będzie już dla Ciebie zarezerwowana.
over = Twój czas minął.
over-help = Jeszcze przez kilka sekund może się udać: naciśnij „Kup teraz”, a spróbujemy.
reference = Numer płatności
optional = (opcjonalnie)
reference-help = Będzie na potwierdzeniu, do 200 znaków.
reference-bad = Użyj najwyżej 200 znaków.
buy = Kup teraz
not-wanted = Nie chcę tego
not-wanted-help = Sztuka nie będzie już dla Ciebie zarezerwowana. Tego nie można cofnąć.
give-back = Oddaj
unknown-outcome = Jeszcze nie wiemy, czy się udało. Naciśnij „Kup teraz” ponownie: nie zapłacisz dwa razy.
receipt = Potwierdzenie
receipt-help = Twoje zamówienie jest potwierdzone i bezpiecznie zapisane.
sale = Sprzedaż
unit = Sztuka
confirmed-at = Potwierdzono
keep = Zachowaj tę stronę: wydrukuj ją, zapisz albo zanotuj zamówienie. To Twój dowód w rozmowie ze sklepem.

# The foot of a page
in-utc = Godziny podano w UTC.
refreshes = Ta strona odświeża się co 10 sekund.
left-as-opened = Pozostały czas podano na chwilę otwarcia strony.
language = Język
change = Zmień

# Ways to say no
nothing-here = Nic tu nie ma
nothing-here-help = Sprawdź adres albo zacznij od strony sklepu, która Cię tu skierowała.
too-many = Zbyt wiele żądań
too-many-help = Z Twojego łącza przyszło więcej żądań, niż przyjmujemy naraz.
line-full = Kolejka jest pełna
line-full-help = Wróć, proszę, trochę później.
away = Wróć za chwilę
away-help = Część tej strony w tej chwili nie odpowiada. Jeśli jesteś w kolejce, Twoje miejsce jest zachowane.
not-known = Wynik nie jest znany
not-known-help = Mogło się udać albo nie. Zajrzyj do poczekalni, a potem spróbuj ponownie.
our-fault = Coś poszło nie tak
our-fault-help = Wina jest po naszej stronie i została zapisana.
link-ended = Ten link już nie działa
link-ended-help = Został już użyty albo jest za stary. Utwórz nowy na urządzeniu, które ma to miejsce.
already-in-line = Ta przeglądarka ma już miejsce
already-in-line-help = Jedna przeglądarka ma w sprzedaży jedno miejsce. Najpierw opuść kolejkę tutaj, a potem otwórz link ponownie.
changed = To już nie jest możliwe
changed-help = W międzyczasie coś się zmieniło. Poczekalnia pokazuje obecny stan.
cookies-off = Ta przeglądarka nie zapisuje plików cookie tej witryny
cookies-off-help = Ta witryna rozpoznaje Twoje miejsce po pliku cookie. Nic się nie zmieniło: zezwól tej witrynie na pliki cookie, a potem otwórz tę stronę ponownie.
other-site = To żądanie nie pochodziło z tej witryny
other-site-help = Otwórz sprzedaż ponownie ze strony sklepu. Jeśli znów się nie uda, sklep jest źle skonfigurowany: daj znać sklepowi.
not-taken = Tego żądania nie można było przyjąć
not-taken-help = Wróć do poczekalni i spróbuj ponownie stamtąd.
retry-seconds =
    { $n ->
        [one] Spróbuj ponownie za { $n } sekundę.
        [few] Spróbuj ponownie za { $n } sekundy.
        [many] Spróbuj ponownie za { $n } sekund.
       *[other] Spróbuj ponownie za { $n } sekundy.
    }
retry-minutes =
    { $n ->
        [one] Spróbuj ponownie za { $n } minutę.
        [few] Spróbuj ponownie za { $n } minuty.
        [many] Spróbuj ponownie za { $n } minut.
       *[other] Spróbuj ponownie za { $n } minuty.
    }
back = Wróć do poczekalni
