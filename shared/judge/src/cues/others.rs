//! The commonest cues of German, Spanish, French, Italian and Portuguese.

use super::{Cue, Words};

pub(super) static GERMAN: Words = Words {
    markers: "ich will keine kein nicht bitte und der das mit uber fur zeig zeige nur mehr sehen auch ausser außer ohne \
              verstecke ausblenden blende alles uber beitrage mochte weniger von oder aber mir den dem zu",
    cues: &[
        (
            Cue::Filler,
            "bitte mir die der das den dem ein eine einen zu auch beitrage posts inhalte sehen lesen uber von \
            mit es mal immer sachen dinge etwas noch gar habe haben kann konnen horen mehr_horen ertragen mehr_ertragen bitte_alle mich interessiert alles_was alles_uber nachrichten_uber alle_beitrage fur bei im in auf zum zur",
        ),
        (
            Cue::Hide,
            "weg_mit schluss_mit raus_mit verschone_mich_mit verschont_mich_mit kein_bock_auf nervt ich_hasse bloss_kein bloss_keine \
            verstecke versteck verstecken verberge verbergen blende blende_aus ausblenden blockiere blockieren \
            stumm entferne entfernen ohne ausgeblendet hasse hass keine_lust_auf genug_von \
            vermeide filtere loschen losche zu_viel verschon_mich_mit verschont_mich raus_damit genug_vom satt bin_es_leid lass_mich_in_ruhe_mit wegmachen rausfiltern filtern geht_mir_auf_die_nerven will_ich_nicht keine_ahnung_warum bloss_nichts",
        ),
        (Cue::Less, "weniger viel_weniger"),
        (Cue::More, "mehr viel_mehr lieber stattdessen"),
        (
            Cue::Keep,
            "zeig zeige zeigen behalte behalten will mochte mag liebe ok_mit okay_mit gern_mehr erlaube erlauben interessiere_mich habe_nichts_gegen hab_nichts_gegen stort_mich_nicht",
        ),
        (Cue::Nothing, "nichts nichts_uber nichts_von nichts_mehr nichts_zu"),
        (
            Cue::Not,
            "nicht kein keine keinen keinerlei keiner nie niemals nix nicht_mehr keine_mehr",
        ),
        (
            Cue::Except,
            "ausser außer es_sei_denn ausgenommen mit_ausnahme_von statt anstatt sondern aber_nicht aber_keine bis_auf abgesehen_von mit_ausnahme ausnahme ausnahmen ausnahme_ist ausnahme_sind sofern_nicht wenn_nicht ausser_wenn ausser_es ausser_bei aber_nicht_bei nur_nicht_bei",
        ),
        (Cue::Only, "nur ausschliesslich ausschließlich lediglich"),
        (Cue::Universal, "alles alle"),
        (
            Cue::TrailingHide,
            "interessiert_mich_null interessieren_mich_null interessiert_mich_nicht interessieren_mich_nicht mag_ich_nicht geht_gar_nicht gehen_gar_nicht nicht_mehr_horen nicht_mehr_sehen nicht_mehr_lesen nicht_mehr_ertragen geht_mir_auf_die_nerven gehen_mir_auf_die_nerven",
        ),
        (
            Cue::Like,
            "mag_ich liebe_ich interessiert_mich interessieren_mich mag_ich_trotzdem mag_ich_aber will_ich_sehen mochte_ich_sehen schaue_ich schau_ich gucke_ich guck_ich lese_ich",
        ),
        (Cue::OnlyIf, "nur_wenn nur_falls nur_sofern nur_dann_wenn"),
        (
            Cue::Good,
            "darf durfen schon hingegen_schon dagegen_schon gut super interessant ist_ausgenommen sind_ausgenommen ist_eine_ausnahme sind_eine_ausnahme ist_die_ausnahme sind_die_ausnahme find_ich_cool find_ich_gut find_ich_super finde_ich_cool finde_ich_super finde_ich_interessant find_ich_interessant",
        ),
        (Cue::NothingElse, "sonst_nichts und_sonst_nichts"),
        (Cue::But, "aber jedoch doch"),
        (Cue::And, "und oder sowie noch_auch"),
        (Cue::Relative, "uber_das was worin"),
        (Cue::Subject, "ich wir"),
        (
            Cue::Aside,
            "weil wenn da denn ist sind ab sehen zeigen anzeigen haben lesen mein_bruder mein_mann meine_frau",
        ),
        (
            Cue::TrailingKeep,
            "geht_klar gehen_klar geht_immer gehen_immer immer_gern immer_gerne ist_ok sind_ok ist_okay sind_okay bleiben sind_in_ordnung nicht_ausblenden nicht_aus nicht_verstecken \
            behalten nicht_blockieren durfen_bleiben darf_bleiben gern gerne gern_gesehen sehr_gern sehr_gerne kein_problem kann_bleiben konnen_bleiben soll_bleiben sollen_bleiben bleibt bleibt_drin ist_erlaubt sind_erlaubt erlaubt passt passt_schon willkommen ist_willkommen sind_willkommen lass_drin sehe_ich_gern sehe_ich_gerne lese_ich_gern lese_ich_gerne finde_ich_gut stort_mich_nicht storen_mich_nicht darf_rein durfen_rein darf_sein durfen_sein her_damit immer_her_damit ist_kein_problem sind_kein_problem geht_in_ordnung gehen_in_ordnung ist_in_ordnung ja_bitte_gern ist_prima ist_super trotzdem_zeigen bleiben_drin bleiben_gern bleiben_gerne bleibt_gern bleibt_gerne",
        ),
    ],
    stop: "hingegen dagegen drin geht handelt betrifft fuer ueber der die das den dem des ein eine einen einem einer und oder von vom mit fur im in am auf uber zum zur bilder art arten jede jeder reste \
           beitrage inhalte bitte danke mehr nachrichten meldungen news themen thema sachen horen sehen lesen gegen bei nach aus so es ich mich mir wir uns gerade diese dieser dieses solche solchen jede",
};

pub(super) static SPANISH: Words = Words {
    markers: "quiero no ver mas pero los las el ninguna ocultar oculta muestra solo por favor sobre que publicaciones \
              sin nada de la odio me gusta muestrame esconde menos y con del",
    cues: &[
        (
            Cue::Filler,
            "por_favor me los las el la un una unos unas de del a ver leer publicaciones contenido cosas sobre \
            mensajes mi mis acerca en que saber oir todo_lo_que todo_sobre todo_lo_de lo_que",
        ),
        (
            Cue::Hide,
            "oculta ocultar ocultes oculte esconde esconder escondas bloquea bloquear silencia silenciar quita \
            quitar elimina eliminar sin odio evita evitar harto_de harta_de cansado_de cansada_de \
            filtra filtrar basta_de basta basta_ya basta_ya_de dejad_de_ensenarme deja_de_ensenarme dejen_de_mostrarme deja_de_mostrarme deja_de_mostrar dejad_de_mostrarme ensenarme fuera quitad quitadme quitame ocultad ocultame esconded escondedme escondeme harto harta cansado cansada hasta_las_narices_de paso_de no_soporto no_aguanto ni_un_post_de prohibido",
        ),
        (Cue::Less, "menos mucho_menos"),
        (Cue::More, "mas mucho_mas mejor"),
        (
            Cue::Keep,
            "muestra muestrame ensename ensenar mostrarme mostrar muestres muestre quiero quisiera deseo ok_con me_gusta me_gustan me_encanta \
            me_encantan manten mantener deja dejar conserva permite interesa no_me_importa_ver no_me_molesta no_me_molestan no_me_importa no_me_importan",
        ),
        (
            Cue::Nothing,
            "nada nada_de nada_sobre nada_que_ver_con saber_nada_de saber_nada",
        ),
        (Cue::Not, "no nunca jamas ningun ninguna ninguno"),
        (
            Cue::Except,
            "excepto salvo a_menos_que menos_si pero_no en_vez_de en_lugar_de aparte_de a_no_ser_que a_no_ser excepto_si excepto_cuando salvo_si salvo_que salvo_cuando quitando exceptuando menos_cuando con_excepcion_de a_excepcion_de con_la_excepcion_de excepcion la_excepcion_es",
        ),
        (Cue::Only, "solo solamente unicamente"),
        (Cue::Universal, "todo todos todas"),
        (Cue::But, "pero aunque"),
        (Cue::And, "y e o u ni"),
        (Cue::Relative, "sobre acerca_de que"),
        (Cue::Subject, "yo soy estoy"),
        (
            Cue::Aside,
            "porque cuando si es son me_quita me_quitan me_da me_dan me_pone me_ponen me_hace me_hacen me_recuerda",
        ),
        (
            Cue::Like,
            "me_gusta me_gustan me_encanta me_encantan me_interesa me_interesan que_me_gusta que_me_gustan que_me_encanta que_si_me_gusta que_me_interesa lo_veo los_veo las_veo lo_sigo la_sigo los_sigo",
        ),
        (Cue::OnlyIf, "solo_si solo_cuando unicamente_si"),
        (
            Cue::Good,
            "bien genial lo_leo los_leo las_leo si_lo_leo si_los_leo si_las_leo interesa interesan son_la_excepcion es_la_excepcion me_gusta me_gustan me_encanta me_encantan me_interesa me_interesan si_quiero_verlo si_quiero_verlos si_los_quiero si_las_quiero",
        ),
        (Cue::NothingElse, "y_nada_mas nada_mas"),
        (
            Cue::TrailingKeep,
            "si_me_interesa si_me_interesan vale valen siempre bienvenidos esta_bien estan_bien si_me_gusta si_me_gustan me_parece_bien no_me_importa_ver esta_ok si_por_favor se_queda se_quedan puede_quedarse pueden_quedarse bienvenido bienvenida bienvenidas son_bienvenidos son_bienvenidas me_va_bien sin_problema tambien_vale esta_permitido estan_permitidos no_me_molesta no_me_molestan no_me_importa no_me_importan si_quiero si_lo_quiero dejalo dejalos dejalas mantenlo mantenlos",
        ),
    ],
    stop: "sea sean trate hable hablen el la los las un una de del en y o con por para sobre que fotos publicaciones mi mis su a favor gracias noticias ninguna ningun cosas temas tema videos mas cualquier todo tipo gente esos esas estos estas este esta ese esa al mis sus les",
};

pub(super) static FRENCH: Words = Words {
    markers: "je ne veux pas les des et mais sans masque masquer cache montre montrez voir sur que uniquement seulement \
              le la du plus aucun aucune publicites tout sauf moins de afficher affiche un une",
    cues: &[
        (
            Cue::Filler,
            "s_il_vous_plait sil_vous_plait svp stp moi les des le la l un une de du d voir lire \
            publications contenus contenu messages sur a tous_les toutes_les mes mon ma me m pas que parlant_de ce_qui_parle_de tout_ce_qui_parle_de tout_ce_qui_concerne tout_sur savoir entendre entendre_parler entendre_parler_de plus ca de_la",
        ),
        (
            Cue::Hide,
            "masque masquez masquer retire retirez retirer stop cache cachez cacher bloque bloquez bloquer supprime supprimer enleve enlever \
            sans plus_de plus_d deteste evite eviter pas_de pas_d plus_de_ca marre_de marre_des filtre filtrer \
            assez_de trop_de marre_d ras_le_bol_de ras_le_bol_des ras_le_bol stop_aux stop_a arretez_de_me_montrer arrete_de_me_montrer arretez_avec cachez_moi cache_moi masquez_moi epargnez_moi virez vire degagez saturee_de saturee_des sature_de sature_des j_en_ai_marre_de j_en_ai_marre_des en_ai_marre_des en_ai_marre_du en_ai_marre en_ai_assez_de en_ai_assez_du marre_du marre_de_la marre_de_l ras_le_bol_du ras_le_bol_de_la je_ne_supporte_plus supporte_pas",
        ),
        (
            Cue::Keep,
            "montre_moi_plus_de ok_pour montre montre_moi montrez montrez_moi montrer affiche affichez afficher veux voudrais souhaite aime adore garde gardez garder \
            davantage_de davantage laisse laisser ne_me_derange_pas",
        ),
        (Cue::Less, "moins moins_de moins_d"),
        (
            Cue::Nothing,
            "rien rien_sur plus_rien rien_savoir veux_plus veux_plus_voir veux_plus_de veux_plus_entendre veux_pas veux_pas_voir plus_jamais plus_envie_de",
        ),
        (Cue::Not, "ne n non jamais aucun aucune"),
        (
            Cue::Except,
            "sauf excepte a_part hormis a_moins mais_pas au_lieu_de au_lieu_des a_l_exception_de sauf_si sauf_si_c_est sauf_quand_c_est sauf_quand a_moins_que_ce_soit a_moins_que_ce_ne_soit sauf_que sauf_pour a_moins_que a_moins_de hors excepte_si exceptes exceptees en_dehors_de en_dehors_des en_dehors_du mis_a_part mise_a_part a_l_exception_des a_l_exception_du exception exception_pour",
        ),
        (
            Cue::Only,
            "seulement uniquement exclusivement rien_que que_du que_de_la que_des que_de_l",
        ),
        (Cue::Universal, "tout tous toutes"),
        (Cue::But, "mais cependant"),
        (Cue::And, "et ou ni"),
        (Cue::Relative, "sur au_sujet_de concernant qui"),
        (Cue::Subject, "je j nous"),
        (
            Cue::Aside,
            "parce car quand si est sont me_fait me_font ca_me m_angoisse me_degoute me_saoule me_stresse",
        ),
        (
            Cue::TrailingHide,
            "ne_m_interesse_pas ne_m_interessent_pas m_interesse_pas m_interessent_pas j_aime_pas",
        ),
        (
            Cue::Like,
            "j_aime_bien j_aime j_adore ca_m_interesse m_interesse m_interessent que_j_aime que_j_aime_bien ca_j_aime ca_j_aime_bien je_regarde je_lis",
        ),
        (
            Cue::OnlyIf,
            "seulement_si seulement_quand uniquement_si uniquement_quand que_si",
        ),
        (
            Cue::Good,
            "bien interesse interessent passe passent sont_l_exception est_l_exception me_plait me_plaisent je_les_lis je_le_lis je_la_lis je_les_regarde",
        ),
        (
            Cue::NothingElse,
            "le_reste_m_interesse_pas le_reste_ne_m_interesse_pas le_reste_non rien_d_autre et_rien_d_autre",
        ),
        (
            Cue::TrailingKeep,
            "toujours bienvenus bienvenues ca_va c_est_bon c_est_ok c_est_bien ca_passe sont_ok est_ok oui ca_me_va me_va ca_roule c_est_cool ca_reste restent peuvent_rester peut_rester bienvenue bienvenu est_permis sont_permis d_accord pas_de_souci pas_de_probleme ne_me_derange_pas ne_me_derangent_pas me_derange_pas ca_c_est_bon ca_c_est_ok c_est_permis me_vont garde_les gardez_les garde_le gardez_le",
        ),
    ],
    stop: "soit soient parle parlent agisse le la les l d ai un une des du de et ou a au aux en sur pour par avec dans mes mon ma photos publications que qui s il vous te plait svp stp merci infos actualites nouvelles messages videos ces ce cette contre vers chez tous toutes tout genre trucs truc",
};

pub(super) static ITALIAN: Words = Words {
    markers: "non voglio vedere nascondi nascondere mostra mostrami solo senza il gli di che e ma niente la le per \
              favore tranne tutto meno dei delle del contenuti su i",
    cues: &[
        (
            Cue::Filler,
            "per_favore mi il lo la i gli le un una di dei degli delle del della vedere leggere post contenuti \
            contenuto cose su sui sulla sulle a che miei mie sapere sentire sentir_parlare_di tutto_su tutto_quello_che ogni",
        ),
        (
            Cue::Hide,
            "nascondi nascondimi nascondere nascondete nascondermi blocca bloccare silenzia rimuovi rimuovere elimina senza odio \
            evita evitare basta basta_con stufo_di stanco_di filtra togli via via_i via_le togliete togliete_mi toglietemi nascondetemi toglimi stop_a stop_ai stufa_di stanca_di non_ne_posso_piu_di non_sopporto eliminate bloccate basta_coi basta_col risparmiatemi ho_chiuso_con",
        ),
        (
            Cue::Keep,
            "mostra mostrami mostrare mostrarmi mostratemi fammi_vedere voglio vorrei mi_piace mi_piacciono adoro amo tieni mantieni lascia ok_con ok_per non_mi_danno_fastidio non_mi_da_fastidio mi_interessa mi_interessano mi_vanno_bene",
        ),
        (Cue::Less, "meno molto_meno"),
        (Cue::More, "piu molto_piu di_piu"),
        (
            Cue::Nothing,
            "niente nulla non_piu non_voglio_piu niente_su nulla_su piu_niente",
        ),
        (Cue::Not, "non no mai nessun nessuna nessuno"),
        (
            Cue::Except,
            "tranne eccetto salvo a_meno_che ma_non invece_di a_parte fuorche a_meno_che_non a_meno_di salvo_se salvo_che tranne_se tranne_quando tranne_che eccetto_se eccetto_quando ad_eccezione_di ad_eccezione_del ad_eccezione_della all_infuori_di escluso esclusi esclusa escluse eccezione",
        ),
        (Cue::Only, "solo soltanto solamente unicamente"),
        (Cue::Universal, "tutto tutti tutte"),
        (Cue::But, "ma pero"),
        (Cue::And, "e ed o ne"),
        (Cue::Relative, "riguardo che"),
        (Cue::Subject, "io sono"),
        (
            Cue::Aside,
            "perche quando se va vanno mi_fa mi_fanno mi_mette mi_mettono mi_da mi_danno",
        ),
        (
            Cue::Like,
            "mi_piace mi_piacciono che_mi_piace che_mi_piacciono mi_interessa mi_interessano che_mi_interessa adoro_pero lo_guardo la_guardo li_guardo le_guardo lo_seguo la_seguo li_seguo",
        ),
        (Cue::OnlyIf, "solo_se solo_quando soltanto_se"),
        (
            Cue::Good,
            "bene volentieri puoi_mostrare li_puoi_mostrare le_puoi_mostrare me_li_puoi_mostrare me_le_puoi_mostrare interessa interessano sono_l_eccezione e_l_eccezione li_leggo le_leggo lo_leggo la_leggo",
        ),
        (Cue::NothingElse, "nient_altro e_nient_altro nientaltro e_basta"),
        (
            Cue::TrailingKeep,
            "sempre invece_mi_piace invece_mi_piacciono mi_piace mi_piacciono va_bene vanno_bene vanno_benissimo invece_si benvenuto benvenuti benvenuta benvenute sono_benvenuti sono_benvenute resta restano puo_restare possono_restare rimane rimangono nessun_problema non_mi_dispiace ci_sta ci_stanno sono_ok e_ok non_mi_disturba non_mi_disturbano non_mi_da_fastidio non_mi_danno_fastidio lascialo lasciali lasciale tienilo tienili",
        ),
    ],
    stop: "quella quello sia siano tratti parli riguardi il lo la i gli le un una di dei degli delle del della e o a al in su per con da che foto post miei mie favore grazie notizie cose video piu questi queste quei quelle ogni gente tipo alla alle allo agli ai nel nella sul sulla sui sulle dal dalla ci si",
};

pub(super) static PORTUGUESE: Words = Words {
    markers: "de pode sou chega sim nao nem nada quero ver oculte oculta ocultar esconda esconde mostre mostra apenas sem os as sobre mas somente por \
              favor o um uma do da dos das exceto tudo menos publicacoes e gosto mais",
    cues: &[
        (
            Cue::Filler,
            "por_favor me os as o a um uma de do da dos das ver ler publicacoes conteudo coisas sobre posts meu \
            minha que saber ouvir tudo_sobre tudo_o_que",
        ),
        (
            Cue::Hide,
            "oculte oculta ocultar ocultes tire tirar pare_de silencie esconda esconde esconder bloqueie bloquear silencie remova remover sem \
            odeio evite evitar chega_de cansado_de cansada_de filtre filtrar escondam tirem tira oculte_me ocultem nao_aguento_mais nao_aguento cansei_de farto_de farta_de to_fora_de fora parem_de_mostrar pare_de_mostrar para_de_me_mostrar nao_suporto bloqueia deus_me_livre_de dispenso",
        ),
        (
            Cue::Keep,
            "mostre mostra mostrar me_mostre mostre_me exiba exibir quero queria gosto_de gosto adoro amo mantenha manter deixe deixa ok_com nao_me_importo_com nao_ligo_para",
        ),
        (Cue::Less, "menos muito_menos"),
        (Cue::More, "mais muito_mais"),
        (
            Cue::Nothing,
            "nada nada_de nada_sobre saber_nada_de saber_de nao_quero_mais quero_mais_nao",
        ),
        (Cue::Not, "nao nunca jamais nenhum nenhuma"),
        (
            Cue::Except,
            "exceto salvo a_menos_que mas_nao em_vez_de menos_se tirando a_nao_ser a_nao_ser_que salvo_se exceto_se exceto_quando menos_quando com_excecao_de com_excecao_do com_excecao_da a_excecao_de a_excepcao_de com_excepcao_de excepto excepto_se excepto_quando sem_contar excecao",
        ),
        (Cue::Only, "apenas somente so unicamente"),
        (Cue::Universal, "tudo todos todas"),
        (Cue::But, "mas porem"),
        (Cue::And, "e ou nem"),
        (Cue::Relative, "sobre que"),
        (Cue::Subject, "eu sou estou"),
        (Cue::Aside, "porque quando se me_da me_dao me_deixa me_deixam me_faz"),
        (
            Cue::Like,
            "eu_gosto que_eu_gosto que_gosto eu_curto que_eu_curto me_interessa me_interessam que_me_interessa eu_adoro eu_amo gosto_muito eu_vejo eu_assisto eu_sigo",
        ),
        (
            Cue::OnlyIf,
            "so_se so_quando apenas_se apenas_quando somente_se somente_quando",
        ),
        (
            Cue::Good,
            "bem legal interessa interessam gosto adoro curto e_a_excecao sao_a_excecao sao_excecao e_excecao eu_quero eu_deixo eu_aceito eu_leio",
        ),
        (Cue::NothingElse, "e_nada_mais nada_mais"),
        (
            Cue::TrailingKeep,
            "a_vontade sempre_bem_vinda sempre_bem_vindo e_sempre_bem_vinda e_sempre_bem_vindo bem_vinda bem_vindo tudo_bem esta_bem pode podem sim tudo_certo e_legal liberado liberada liberados liberadas fica ficam pode_ficar podem_ficar sao_bem_vindos sao_bem_vindas bem_vindos bem_vindas de_boa nao_me_incomoda nao_me_incomodam nao_incomoda nao_tem_problema sem_problema esta_otimo",
        ),
    ],
    stop: "seja sejam forem fale trate o a os as um uma de do da dos das e ou em no na com por para sobre que fotos publicacoes meu minha favor obrigado obrigada noticias coisas videos mais esses essas estes estas esse essa tipo gente ao aos pelo pela pelos pelas nos nas num numa se",
};
